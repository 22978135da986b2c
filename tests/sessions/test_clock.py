"""The wall clock jumps while the daemon runs, by years and both ways, and so do the times of files: saves are found, answers stay
fresh, nothing times out, nothing is taken for poisonous. The jumps are in the daemon's eyes alone (tools/clock_jump.c)."""
import os
import pathlib
import struct
import time

from lib import BUILD, SOURCES, big_sources, main, wait_for

DAY, YEAR = 86400, 365 * 86400


class Clock:
    def __init__(self, w):
        self.file = w.root / "clock"
        self.file.write_bytes(struct.pack("=q", 0))
        w.env.update(CODEASK_TEST_CLOCK=str(self.file), LD_PRELOAD=str(BUILD / "libclock_jump.so"))
        w.config("embed = no\n")

    def jump(self, seconds):
        with open(self.file, "r+b") as f:
            f.write(struct.pack("=q", seconds))


def found(w, repo, word, within=5):
    def look():
        o = w.json("search", word, cwd=repo, code=None)
        return o if any(word in str(r) for r in o["results"]) else None
    return wait_for(look, f"{word}", within)


def check_fresh(o):
    f = o["freshness"]
    assert 0 <= f["reconciled_ms_ago"] < 11000 and not f["pending_files"], f


def test_the_clock_of_the_daemon_jumps(w):
    clock = Clock(w)
    repo = w.repo()
    w.json("index", cwd=repo)
    assert "libclock_jump" in pathlib.Path(f"/proc/{w.pid()}/maps").read_text()
    log = lambda: (w.home / "codeaskd.log").read_text() if (w.home / "codeaskd.log").exists() else ""
    assert w.json("status")["uptime_seconds"] < 60
    for i, seconds in enumerate((YEAR, -2 * YEAR, 40 * YEAR, -40 * YEAR, 1, -1, DAY, 0)):
        clock.jump(seconds)
        word = f"zebra{i}whistle"
        (repo / "src/pool.py").write_text(f"def {word}():\n    return {i}\n")
        check_fresh(found(w, repo, word))
        o = w.json("search", "retry policy", cwd=repo)
        assert o["results"][0]["path"] == "src/retry.py"
        check_fresh(o)
        s = w.json("status")
        assert 0 <= s["uptime_seconds"] < 120, s
        assert not s["quarantine"] and not s["repos"][0]["quarantined"], s
    assert "timed out" not in log()


def test_it_jumps_in_the_middle_of_work(w):
    clock = Clock(w)
    repo = w.repo(files={**SOURCES, **big_sources(400)})
    p = w.popen(BUILD / "codeask", "index", "-C", repo)
    for i in range(400):
        clock.jump((YEAR, -YEAR, 3 * DAY, -DAY)[i % 4])
        time.sleep(.01)
        if p.poll() is not None:
            break
    out, err = p.communicate(timeout=60)
    assert p.returncode == 0, out + err
    s = w.json("status")
    assert s["repos"][0]["files"] == 404 and not s["repos"][0]["quarantined"], s
    check_fresh(w.json("search", "retry policy", cwd=repo))


def test_times_of_files_jump(w):
    clock = Clock(w)
    repo = w.repo()
    path = repo / "src/pool.py"
    w.json("index", cwd=repo)
    before = path.stat()
    for i, when in enumerate((time.time() - 30 * YEAR, time.time() + 30 * YEAR, 0, before.st_mtime)):
        clock.jump((YEAR, -YEAR)[i % 2])
        word = f"ocelot{i}banjo"
        text = f"def {word}():\n    return 1\n"
        path.write_text(text + "#" * (before.st_size - len(text))) # of one size each time
        os.utime(path, (when, when))
        assert path.stat().st_size == before.st_size
        found(w, repo, word)
    # the very same time and size as before: what is left is the time of the change
    text = "def narwhal_teapot():\n    return 1\n"
    path.write_text(text + "#" * (before.st_size - len(text)))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    found(w, repo, "narwhal_teapot")


if __name__ == "__main__":
    main(globals())
