"""kill -9 in the middle of anything, through the real programs: the next command opens the home, nothing that was acknowledged is
lost, and in the end the view and its searches are those of a home that was never killed. 20 kills; 1,000 with CODEASK_TEST_LONG."""
import json
import os
import random
import signal
import subprocess
import threading
import time

from lib import BUILD, CODEASK, big_sources, main, write

LONG = os.environ.get("CODEASK_TEST_LONG") == "1"
KILLS = 1000 if LONG else 20
LATEST = 0.25  # seconds from the start of what is killed
QUERIES = ("retry policy", "step of module 3", "split header line", "total value", "installs a spare thing")
SIDE = {"spare.py": 'def spare_thing():\n    """Installs a spare thing."""\n    return 1\n'}


class Model:
    """What the programs have acknowledged, and what was under way when the daemon died."""

    def __init__(self, w, seed):
        self.w, self.random = w, random.Random(seed)
        self.repo, self.side = w.repo(files={**big_sources(12)}), w.repo("side", SIDE)
        write(self.repo, {"src/retry.py": "class RetryPolicy:\n    \"\"\"The retry policy.\"\"\"\n"})
        self.good = self.maybe = 0  # rows of feedback
        self.side_known = False     # None: a kill left it open
        self.edits = self.backups = 0

    # each: something that takes a while, run beside the kill
    def index(self):
        write(self.repo, big_sources(8, salt=f"_{self.edits}"))
        self.edits += 1
        self.w.run("index", cwd=self.repo)

    def save(self):
        self.edits += 1
        write(self.repo, {"src/saved.py": f"def saved_{self.edits}():\n    return {self.edits}\n"})
        self.w.run("search", f"saved_{self.edits}", cwd=self.repo)

    def checkout(self):
        self.w.git(self.repo, "add", "-A")
        self.w.git(self.repo, "commit", "-qm", f"edit {self.edits}", "--allow-empty")
        self.w.run("index", "--all-branches", cwd=self.repo)

    def feedback(self):
        r = self.w.run("ask", "where is the retry policy?", "--json", cwd=self.repo)
        answer = json.loads(r.stdout or "{}").get("id")
        while answer and not self.over:
            self.maybe += 1
            if self.w.run("feedback", answer, "good", cwd=self.repo).returncode:
                return
            self.good, self.maybe = self.good + 1, self.maybe - 1

    def repos(self):
        while not self.over:
            known = self.side_known
            self.side_known = None
            done = self.w.run("repo", "remove", "side") if known else self.w.run("repo", "add", self.side)
            if done.returncode:
                return
            self.side_known = not known

    def backup(self):
        while not self.over:
            self.backups += 1
            if self.w.run("backup", self.w.root / f"saved-{self.backups}").returncode:
                return

    def kill_during(self, what):
        self.w.run("repo", "list")
        pid, self.over = self.w.pid(), False
        doing = threading.Thread(target=what)
        doing.start()
        time.sleep(self.random.random() * LATEST)
        os.kill(pid, signal.SIGKILL)
        self.over = True
        doing.join(60)
        assert not doing.is_alive(), f"{what.__name__} never came back"

    def check(self):
        rows = self.w.json("repo", "list")["repos"]
        paths = [r["path"] for r in rows]
        assert str(self.repo) in paths, paths
        if self.side_known is not None:
            assert (str(self.side) in paths) == self.side_known, (self.side_known, paths)
        self.side_known = str(self.side) in paths
        kept = self.w.json("status")["feedback"]
        assert self.good <= kept <= self.good + self.maybe, (self.good, kept, self.maybe)
        self.good, self.maybe = kept, 0
        for saved in self.w.root.glob("saved-*"):
            manifest = saved / "manifest.json"
            if manifest.exists():
                for f in json.loads(manifest.read_text())["files"]:
                    assert (saved / f["name"]).stat().st_size == f["bytes"], saved


def view(w, home, repo):
    """the files of a view and what is stored of them, without numbers that depend on the order of work"""
    done = subprocess.run([BUILD / "index_dump", home, repo, "-f"], env=w.env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [line.split(" ", 4) for line in done.stdout.splitlines()]
    counts = [line.split(": ", 2)[2] for line in done.stderr.splitlines() if ": view " in line]
    return sorted((hex, size, path) for hex, _, _, size, path in rows), counts


def found(w, repo, home):
    env = {"CODEASK_HOME": str(home)}
    assert w.run("index", cwd=repo, env=env, timeout=150).returncode == 0
    rows = []
    for q in QUERIES:
        o = json.loads(w.run("search", q, "--json", "-n", "20", cwd=repo, env=env).stdout)
        rows.append((q, sorted((r["path"], r["start_line"], r["end_line"]) for r in o["results"])))
    w.run("stop", env=env)
    return rows


def same_as_never_killed(w, repo, config):
    fresh = w.root / "fresh"
    w.config(config, fresh)
    assert found(w, repo, w.home) == found(w, repo, fresh)
    assert view(w, w.home, repo) == view(w, fresh, repo)


def test_anything(w):
    seed = random.randrange(1 << 30) if LONG else 7
    print(f"seed {seed}", flush=True)
    w.config("embed = no\n")
    m = Model(w, seed)
    assert w.run("index", cwd=m.repo).returncode == 0
    every = (m.index, m.feedback, m.save, m.repos, m.checkout, m.backup)
    for i in range(KILLS):
        m.kill_during(every[i % len(every)])
        m.check()
    assert m.good > 0 and m.edits > 3
    same_as_never_killed(w, m.repo, "embed = no\n")


def test_embedding(w):
    if not (BUILD / "share" / "codeask" / "models").exists():
        return
    m = Model(w, 11)
    m.w.run("index", "--no-wait", cwd=m.repo)
    for _ in range(KILLS // 5):
        write(m.repo, big_sources(2, salt=f"_{m.edits}"))
        m.edits += 1
        m.kill_during(lambda: w.run("index", cwd=m.repo))
        m.w.run("index", "--no-wait", cwd=m.repo)
        m.check()
    same_as_never_killed(w, m.repo, "")


def long_history(w, steps):
    """A repository of many commits, made at once: each changes some lines of one file, some move them or rename it."""
    rng, repo = random.Random(3), w.repo("long", files={"readme": "x\n"})
    files = {f"src/part{i}.py": [f"def part_{i}_{k}(value): return value + {k}" for k in range(60)] for i in range(40)}
    stream = []
    for n in range(steps):
        path = rng.choice(sorted(files))
        lines, changes = files[path], []
        if rng.random() < .1:
            lines.append(lines.pop(rng.randrange(len(lines) - 4)))
        if rng.random() < .03:
            changes.append(f"D {path}\n")
            del files[path]
            path = f"src/part{n}_{rng.randrange(1000)}.py"
            files[path] = lines
        lines[rng.randrange(len(lines))] = f"def step_{n}(value, other): return value * {n}"
        text, message = "\n".join(lines) + "\n", f"change {n} of {path}"
        changes.append(f"M 100644 inline {path}\ndata {len(text)}\n{text}\n")
        stream.append(f"commit refs/heads/main\ncommitter t <t@t> {1500000000 + n * 60} +0000\ndata {len(message)}\n{message}\n"
                      + ("from refs/heads/main^0\n" if not n else "") + "".join(changes))
    subprocess.run(["git", "-C", str(repo), "fast-import", "--quiet"], input="".join(stream), text=True, check=True, env=w.env)
    w.git(repo, "reset", "-q", "--hard")
    return repo


def histories(w, repo, home):
    env = {"CODEASK_HOME": str(home)}
    rows = []
    for path in sorted(p.relative_to(repo) for p in (repo / "src").glob("*.py"))[:12]:
        o = json.loads(w.run("history", f"{path}:1-60", "--json", cwd=repo, env=env).stdout)
        assert "note" not in o, o
        rows.append((o["lines"], [c["commit"] for c in o["commits"]], o["people"]))
    w.run("stop", env=env)
    return rows


def test_reading_history(w):
    w.config("embed = no\n")
    repo = long_history(w, 12000 if LONG else 4000)
    rng, amid = random.Random(5), 0
    for _ in range(KILLS // 4):
        assert w.run("index", "--no-wait", cwd=repo).returncode == 0
        pid = w.pid()
        jobs, until = w.json("status")["jobs"], time.monotonic() + 30
        while jobs and not any(j["stage"] == "history" for j in jobs):
            jobs = w.json("status")["jobs"]
            assert time.monotonic() < until, jobs
        amid += bool(jobs)
        time.sleep(rng.random() * LATEST / 4)
        os.kill(pid, signal.SIGKILL)
    print(f"{amid} kills fell while the history was read", flush=True)
    assert amid >= 2
    fresh = w.root / "fresh"
    w.config("embed = no\n", fresh)
    assert histories(w, repo, w.home) == histories(w, repo, fresh)


if __name__ == "__main__":
    main(globals())
