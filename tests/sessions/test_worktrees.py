"""What a worktree may be: after any steps the running daemon shows what a fresh index shows; sparse checkouts, partial clones,
line endings, files that change while they are read, files that may not be read.
"""
import os
import random
import subprocess
import threading

from lib import World, main, wait_for, write

LONG = os.environ.get("CODEASK_TEST_LONG") == "1"
STEPS = 1000 if LONG else 100
TELL_EVERY = 20 if LONG else 25  # steps between two comparisons with a fresh index
WORD = "marker"


class Steps:
    """Random steps in a repository, each as a user may take it; what git refuses is taken back."""

    def __init__(self, w, seed):
        self.w, self.r, self.n = w, random.Random(seed), 0
        w.config("embed = no\nhistory = no\n")
        self.repo = w.repo(files={f"d{i % 4}/f{i}.py": self.text() for i in range(24)})
        self.branches = ["main"]

    def text(self):
        self.n += 1
        return f"def {WORD}_{self.n}(value):\n    return value + {self.r.randrange(10 ** 6)}\n"

    def git(self, *args):
        return subprocess.run(["git", "-C", str(self.repo), *args], env={**self.w.env, "GIT_EDITOR": "true"}, capture_output=True,
                              text=True)

    def files(self):
        return sorted(p for p in self.repo.rglob("*.py") if ".git" not in p.parts)

    def edit(self):
        f = self.r.choice(self.files())
        f.write_text(self.text() if self.r.random() < .5 else f.read_text() + self.text())

    def save_renamed(self):
        f = self.r.choice(self.files())
        f.with_suffix(".tmp").write_text(self.text())
        os.rename(f.with_suffix(".tmp"), f)

    def create(self):
        write(self.repo, {f"{self.r.choice(['d0', 'd1', 'new/deep', 'e'])}/n{self.n}.py": self.text()})

    def move(self):
        f = self.r.choice(self.files())
        to = self.repo / self.r.choice(["d0", "d3", "moved/to"]) / f"m{self.n}.py"
        self.n += 1
        to.parent.mkdir(parents=True, exist_ok=True)
        os.rename(f, to)

    def move_directory(self):
        dirs = sorted({f.parent for f in self.files()} - {self.repo})
        self.n += 1
        os.rename(self.r.choice(dirs), self.repo / f"dir{self.n}")

    def delete(self):
        files = self.files()
        if len(files) > 12:
            self.r.choice(files).unlink()

    def ignore(self):
        write(self.repo, {".gitignore": self.r.choice(["e/\n", "n*.py\n", ""])})

    def add(self):
        self.git("add", "-A" if self.r.random() < .5 else "d0")

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-qm", "step")

    def branch(self):
        name = f"b{self.n}"
        self.n += 1
        if self.git("checkout", "-qb", name).returncode == 0:
            self.branches.append(name)

    def checkout(self):
        self.git("checkout", "-q", *(["-f"] if self.r.random() < .5 else []), self.r.choice(self.branches))

    def merge(self):
        self.git("merge", "-q", "--no-edit", *self.r.choice([[], ["-Xours"]]), self.r.choice(self.branches))
        if self.r.random() < .5 and self.git("ls-files", "-u").stdout:
            self.git("merge", "--abort")

    def stash(self):
        self.git("stash", *(["-u"] if self.r.random() < .5 else []))

    def unstash(self):
        self.git("stash", "pop")

    def rebase(self):
        if self.git("rebase", "-q", self.r.choice(self.branches)).returncode:
            self.git("rebase", "--abort")

    def reset(self):
        self.git("reset", "-q", self.r.choice(["--hard", "--soft", "--mixed"]), self.r.choice(["HEAD", "HEAD~1"]))

    def step(self):
        steps = [self.edit] * 6 + [self.save_renamed] * 4 + [self.create, self.move, self.delete, self.commit] * 2 + [
            self.move_directory, self.ignore, self.add, self.branch, self.checkout, self.merge, self.stash, self.unstash, self.rebase,
            self.reset]
        chosen = self.r.choice(steps)
        chosen()
        return chosen.__name__


def shown(w, repo):
    """All that the index holds of the repository: commit, and (path, lines, blob, committed) of every marker."""
    o = w.json("search", "--regex", f"{WORD}_[0-9]+", "--limit", 1000, cwd=repo, code=None)
    rows = sorted((h["path"], h["start_line"], h["end_line"], h["blob"], h["commit"] is not None) for h in o["results"])
    return o["freshness"]["commit"], o["freshness"]["overlay_files"], rows


def test_random_steps_against_a_fresh_index(w):
    for seed in range(1):
        s = Steps(w, seed)
        taken = []
        shown(w, s.repo)
        for i in range(STEPS):
            taken.append(s.step())
            if i % 7 == 3:
                w.run("search", WORD, cwd=s.repo)
            if i % TELL_EVERY != TELL_EVERY - 1:
                continue
            with World() as fresh:
                fresh.config("embed = no\nhistory = no\n")
                fresh.env["HOME"] = w.env["HOME"]
                want = shown(fresh, s.repo)
            assert want[0] == s.git("rev-parse", "HEAD").stdout.strip() and want[2]
            try:
                wait_for(lambda: shown(w, s.repo) == want, "the state of a fresh index", 6)
            except AssertionError:
                got = shown(w, s.repo)
                raise AssertionError(f"after {i + 1} steps {taken[-TELL_EVERY:]}: {got[:2]} is not {want[:2]}; too much: "
                                     f"{set(got[2]) - set(want[2])}; too little: {set(want[2]) - set(got[2])}")


def paths(w, repo, word):
    return {h["path"] for h in w.json("search", "--regex", word, cwd=repo, code=None)["results"]}


def test_sparse_checkout(w):
    repo = w.repo(files={f"{d}/f.py": f"def inside_{d}():\n    return 1\n" for d in ("left", "right")})
    w.git(repo, "sparse-checkout", "set", "left")
    assert not (repo / "right").exists()
    o = w.json("search", "--regex", "inside_[a-z]+", cwd=repo)
    assert o["freshness"]["overlay_files"] == 0 and not o["freshness"]["dirty"], o["freshness"]
    assert {h["path"] for h in o["results"]} == {"left/f.py", "right/f.py"}, "what is tracked is there, checked out or not"
    w.git(repo, "sparse-checkout", "set", "right")
    assert paths(w, repo, "inside_left") == {"left/f.py"}
    w.git(repo, "sparse-checkout", "disable")
    (repo / "left/f.py").unlink()
    wait_for(lambda: not paths(w, repo, "inside_left"), "the deletion", 6)


def test_partial_clone(w):
    origin = w.repo("origin", files={"here.py": "def first_text():\n    return 1\n", "gone/away.py": "def far_away():\n    return 2\n"})
    w.git(origin, "config", "uploadpack.allowfilter", "true")
    w.git(origin, "config", "uploadpack.allowanysha1inwant", "true")
    repo = w.root / "partial"
    w.git(w.root, "clone", "-q", "--filter=blob:none", "--sparse", f"file://{origin}", str(repo))

    def missing():
        return w.git(repo, "rev-list", "--objects", "--all", "--missing=print").count("\n?")

    before = missing()
    assert before, "a clone without this blob is what the test is about"
    o = w.json("index", cwd=repo)
    assert paths(w, repo, "first_text") == {"here.py"}
    assert not paths(w, repo, "far_away")
    row = w.json("status")["repos"][0]
    assert row["quarantined"] == before, (row, o)
    assert missing() == before, "blobs were fetched"
    w.git(repo, "sparse-checkout", "disable")  # git fetches it: it is indexed now
    wait_for(lambda: paths(w, repo, "far_away") == {"gone/away.py"}, "the blob that came", 6)
    assert not w.json("status")["repos"][0]["quarantined"]
    assert not w.json("search", "far_away", cwd=repo)["freshness"]["dirty"]


def test_line_endings(w):
    repo = w.repo(files={"a.py": "import os\n\n\ndef carriage():\n    return os\n"})
    w.git(repo, "config", "core.autocrlf", "true")
    (repo / "a.py").unlink()
    w.git(repo, "checkout", "-q", "--", "a.py")
    assert b"\r\n" in (repo / "a.py").read_bytes()

    def defined():
        return w.json("symbol", "carriage", cwd=repo)["definitions"][0]["start_line"]

    o = w.json("search", "carriage", cwd=repo)
    hit = o["results"][0]
    assert o["freshness"]["overlay_files"] == 0 and hit["commit"], "line endings alone are no change"
    assert hit["end_line"] == 5 and defined() == 4, hit
    (repo / "a.py").write_bytes(b"import os\r\nimport sys\r\n\r\n\r\ndef carriage():\r\n    return os, sys\r\n")

    def seen():
        h = w.json("search", "carriage", cwd=repo)["results"][0]
        return h["commit"] is None and h["end_line"] == 6 and defined() == 5 and h
    h = wait_for(seen, "the change", 6)
    assert h["blob"] == w.git(repo, "hash-object", "--path=a.py", "a.py").strip(), "the blob is of the clean bytes"
    assert "\r" not in h["snippet"]


def test_a_file_that_changes_while_it_is_read(w):
    repo = w.repo(files={"a.py": "def before():\n    return 0\n", "b.py": "def other():\n    return 0\n"})
    w.run("search", "before", cwd=repo)
    stop = threading.Event()

    def scribble():
        n = 0
        while not stop.is_set():
            n += 1
            with open(repo / "a.py", "w") as f:
                f.write(f"def moving_{n}():\n")
                f.flush()
                f.write("    return 1\n" * (n % 50 + 1))
    t = threading.Thread(target=scribble)
    t.start()
    try:
        for _ in range(100 if LONG else 15):
            r = w.run("search", "moving", cwd=repo)
            assert r.returncode in (0, 1), r
            assert paths(w, repo, "other") == {"b.py"}, "others are not harmed"
    finally:
        stop.set()
        t.join()
    (repo / "a.py").write_text("def settled_at_last():\n    return 1\n")
    wait_for(lambda: paths(w, repo, "settled_at_last") == {"a.py"}, "the last state", 6)
    assert not paths(w, repo, "moving_[0-9]+")


def test_permissions_taken_away(w):
    repo = w.repo(files={"a.py": "def closed():\n    return 0\n", "d/b.py": "def shut():\n    return 0\n",
                           "c.py": "def open_one():\n    pass\n"})
    if os.geteuid() == 0:  # root reads everything: as somebody else, where that one may run the programs
        w.who = {"user": 65534, "group": 65534, "extra_groups": []}
        try:
            w.run("--version", cwd="/")
        except OSError:
            return
        w.home.mkdir(mode=0o700)
        for path in [w.root, *w.root.rglob("*")]:
            os.chown(path, 65534, 65534, follow_symlinks=False)
    assert paths(w, repo, "closed") == {"a.py"}
    (repo / "a.py").write_text("def closed():\n    return 12\n")
    (repo / "a.py").chmod(0)
    (repo / "d").chmod(0)
    try:
        wait_for(lambda: w.json("search", "open_one", cwd=repo)["freshness"]["overlay_files"], "the change", 6)
        assert paths(w, repo, "open_one") == {"c.py"}
        assert w.run("search", "shut", cwd=repo).returncode in (0, 1)
    finally:
        (repo / "d").chmod(0o755)
        (repo / "a.py").chmod(0o644)
    wait_for(lambda: paths(w, repo, "return 12") == {"a.py"} and paths(w, repo, "shut") == {"d/b.py"}, "what may be read again", 15)


if __name__ == "__main__":
    main(globals())
