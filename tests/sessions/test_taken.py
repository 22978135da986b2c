"""index.mdb (or state.mdb) taken away under a running daemon: noticed within a reconcile's time, said in the log, built again."""
import os
import shutil
import subprocess

from lib import ended, main, wait_for

NOTICED = 20  # seconds: the look comes every ten


def delete(home):
    (home / "index.mdb").unlink()


def replace(home):
    shutil.copy(home / "index.mdb", home / "other")
    os.rename(home / "other", home / "index.mdb")


def truncate(home):
    os.truncate(home / "index.mdb", (home / "index.mdb").stat().st_size // 4096 // 2 * 4096)


def delete_state(home):
    (home / "state.mdb").unlink()


def all_of_it(home):
    shutil.rmtree(home, ignore_errors=True)


WAYS = (delete, "was deleted"), (replace, "was replaced"), (truncate, None), (delete_state, "state.mdb was deleted"), (all_of_it, None)


def test_taken_away(w):
    repo = w.repo()
    homes, pids = [w.root / way.__name__ for way, _ in WAYS], []
    for home in homes:
        w.config("embed = no\n", home)
        env = {"CODEASK_HOME": str(home)}
        assert w.run("index", cwd=repo, env=env).returncode == 0
        pids.append(w.json("status", env=env)["pid"])
    for (way, _), home in zip(WAYS, homes):
        way(home)
    for pid, home in zip(pids, homes):
        wait_for(lambda: ended(pid), f"the daemon of {home.name} to end", NOTICED)
    for (way, says), home in zip(WAYS, homes):
        if says: # a truncated file may end it first, by SIGBUS: the same to a client
            log = (home / "codeaskd.log").read_text()
            assert says in log and "ends" in log, log
        env = {"CODEASK_HOME": str(home)}
        r = w.run("search", "retry policy", cwd=repo, env=env)
        assert "retry.py" in r.stdout, (home.name, r.stdout, r.stderr)
        assert w.run("stop", env=env).returncode == 0


if __name__ == "__main__":
    main(globals())
