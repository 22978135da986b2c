"""What changes is seen: saves, moves, new directories, what git does, changes while the daemon sleeps, few watches."""
import os
import random
import shutil
import signal
import time

from lib import main, wait_for

LONG = os.environ.get("CODEASK_TEST_LONG") == "1"
FILES = 40000 if LONG else 1000


def found(w, repo, word):
    """Paths of the results that show the word."""
    hits = w.json("search", word, cwd=repo, code=None).get("results", [])
    return {h["path"] for h in hits if word in str(h)}


def watch_of(w):
    return w.json("status")["repos"][0]["watch"]


def ready(w, repo, state="watching"):
    assert w.run("index", cwd=repo).returncode == 0
    w.run("search", "retry", cwd=repo)
    wait_for(lambda: watch_of(w)["state"] == state and watch_of(w)["directories"] > 0, "the watches")
    time.sleep(.3)


def seen(w, repo, word, path, within=5):
    wait_for(lambda: path in found(w, repo, word), f"{word} in {path}", within)


def test_saves(w):
    repo = w.repo()
    ready(w, repo)
    (repo / "src/pool.py").write_text("def zebrawhistle():\n    return 1\n")  # in place
    seen(w, repo, "zebrawhistle", "src/pool.py")
    (repo / "src/new.tmp").write_text("def quokkalantern():\n    return 2\n")
    os.rename(repo / "src/new.tmp", repo / "src/pool.py")  # renamed into place
    seen(w, repo, "quokkalantern", "src/pool.py")
    assert not found(w, repo, "zebrawhistle")
    (repo / "deep/er").mkdir(parents=True)
    (repo / "deep/er/a.py").write_text("def narwhalteapot():\n    return 3\n")  # a new directory
    seen(w, repo, "narwhalteapot", "deep/er/a.py")
    time.sleep(.5)
    (repo / "deep/er/a.py").write_text("def ocelotbanjo():\n    return 4\n")  # which is watched by now
    seen(w, repo, "ocelotbanjo", "deep/er/a.py")
    os.rename(repo / "deep", repo / "far")
    seen(w, repo, "ocelotbanjo", "far/er/a.py")
    (repo / "far/er/a.py").write_text("def tapirfiddle():\n    return 4\n")
    seen(w, repo, "tapirfiddle", "far/er/a.py")
    shutil.rmtree(repo / "far")
    wait_for(lambda: not found(w, repo, "tapirfiddle"), "the end of a directory", 5)


def test_ignored_directories_are_not_watched(w):
    repo = w.repo()
    (repo / ".gitignore").write_text("node_modules/\n")
    for i in range(30):
        (repo / f"node_modules/m{i}").mkdir(parents=True)
        (repo / f"node_modules/m{i}/index.js").write_text("x\n")
    ready(w, repo)
    assert watch_of(w)["directories"] < 15, watch_of(w)


def test_what_git_does(w):
    repo = w.repo()
    w.git(repo, "checkout", "-qb", "side")
    (repo / "src/side.py").write_text("def sidewinder():\n    return 1\n")
    w.git(repo, "add", "-A")
    w.git(repo, "commit", "-qm", "side")
    w.git(repo, "checkout", "-q", "main")
    ready(w, repo)

    def commit():
        return w.json("search", "retry", cwd=repo)["freshness"]["commit"]

    def settled():
        head = w.git(repo, "rev-parse", "HEAD").strip()
        wait_for(lambda: commit() == head, "HEAD", 5)

    w.git(repo, "checkout", "-q", "side")
    seen(w, repo, "sidewinder", "src/side.py")
    settled()
    w.git(repo, "commit", "-q", "--allow-empty", "-m", "empty")  # a ref alone
    settled()
    w.git(repo, "reset", "-q", "--soft", "HEAD~1")
    settled()
    (repo / "src/side.py").write_text("def stashmonger():\n    return 1\n")
    seen(w, repo, "stashmonger", "src/side.py")
    w.git(repo, "stash")
    wait_for(lambda: not found(w, repo, "stashmonger"), "the stash", 5)
    w.git(repo, "stash", "pop")
    seen(w, repo, "stashmonger", "src/side.py")
    w.git(repo, "commit", "-qam", "mine")
    w.git(repo, "rebase", "-q", "main")
    settled()
    w.git(repo, "pack-refs", "--all")
    w.git(repo, "rm", "-q", "--cached", "src/side.py")
    w.git(repo, "commit", "-qm", "untracked")
    settled()
    seen(w, repo, "stashmonger", "src/side.py")
    other = w.root / "other"
    w.git(repo, "worktree", "add", "-q", str(other), "main")
    assert w.json("search", "retry", cwd=other)["results"]
    w.git(other, "commit", "-q", "--allow-empty", "-m", "there")
    head = w.git(other, "rev-parse", "HEAD").strip()
    wait_for(lambda: w.json("search", "retry", cwd=other)["freshness"]["commit"] == head, "the worktree's HEAD", 5)
    w.git(repo, "worktree", "remove", str(other))
    assert w.run("search", "retry", cwd=repo).returncode == 0


def many(w):
    return w.repo(files={f"d{i % 100}/f{i}.py": f"def before{i}():\n    return {i}\n" for i in range(FILES)})


def sleeper(w, state):
    repo = many(w)
    config = w.home / "config"
    w.config((config.read_text() if config.exists() else "") + "embed = no\n")
    daemon = w.daemon()
    ready(w, repo, state)
    os.kill(daemon.pid, signal.SIGSTOP)
    for i in range(FILES):
        (repo / f"d{i % 100}/f{i}.py").write_text(f"def afterwards{i}():\n    return {i}\n")
    os.kill(daemon.pid, signal.SIGCONT)
    wait_for(lambda: w.json("search", "afterwards7", cwd=repo, code=None)["freshness"]["overlay_files"] == FILES, "all changes",
             600 if LONG else 60)
    for i in random.Random(4).sample(range(FILES), 25):
        assert f"d{i % 100}/f{i}.py" in found(w, repo, f"afterwards{i}"), i
    assert w.json("search", "afterwards7", cwd=repo)["freshness"]["reconciled_ms_ago"] < 10000


def test_changes_while_stopped(w):
    sleeper(w, "watching")


def test_changes_while_stopped_with_few_watches(w):
    w.config("watch_limit = 10\n")
    sleeper(w, "polling")
    assert watch_of(w)["directories"] == 10 and "watch_limit" in watch_of(w)["why"]
    assert "compared every 10 s" in w.run("status").stdout


def test_removed_under_the_daemon(w):
    repo, other = w.repo(), w.repo("other")
    ready(w, repo)
    w.run("search", "retry", cwd=other)
    shutil.rmtree(repo)
    time.sleep(.5)
    assert w.json("search", "retry", cwd=other)["results"]
    r = w.run("search", "retry", "--repo", "courier")
    assert "Traceback" not in r.stderr and r.returncode in (0, 1, 2), r
    assert w.run("status").returncode == 0


if LONG:  # ten seconds of waiting; the one with few watches waits for the same comparison
    def test_no_watches(w):
        w.config("watch_limit = 0\n")
        repo = w.repo()
        w.run("search", "retry", cwd=repo)
        (repo / "src/pool.py").write_text("def zebrawhistle():\n    return 1\n")
        seen(w, repo, "zebrawhistle", "src/pool.py", 15)
        assert watch_of(w)["state"] == "polling"


if __name__ == "__main__":
    main(globals())
