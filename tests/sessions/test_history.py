"""History: lines traced as `git blame -w -M` has them, and what `history` says about them."""
import json
import os
import pathlib
import random
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
from blame_compare import blame  # noqa: E402
from lib import BUILD, main, wait_for, write  # noqa: E402

LONG = os.environ.get("CODEASK_TEST_LONG") == "1"
WORDS = "alpha beta gamma delta omega buffer socket parser window packet header cursor thread vector matrix".split()


class Story:
    """A repository with random edits, moves, renames, reformatting, branches and merges."""

    def __init__(self, w, seed):
        self.w, self.rng, self.at = w, random.Random(seed), 1500000000
        self.repo = w.repo(f"story{seed}", files={"readme": "x\n"})
        self.n = 0

    def line(self):
        self.n += 1
        r = self.rng
        return "    " * r.randint(0, 2) + f"{r.choice(WORDS)}_{self.n} = {r.choice(WORDS)}({r.choice(WORDS)}, {r.randint(0, 99)});"

    def git(self, *args):
        self.at += self.rng.randint(30, 90000)
        env = dict(self.w.env, GIT_AUTHOR_DATE=f"{self.at} +0200", GIT_COMMITTER_DATE=f"{self.at} +0200")
        return subprocess.run(["git", "-C", str(self.repo), *args], env=env, check=False, capture_output=True, text=True)

    def files(self):
        return sorted(p for p in self.repo.rglob("*.c"))

    def edit(self):
        r, files = self.rng, self.files()
        what = r.random()
        if len(files) < 2 or what < .08:
            path = self.repo / r.choice(["src", "lib", "."]) / f"{r.choice(WORDS)}{self.n}.c"
            write(self.repo, {str(path.relative_to(self.repo)): "".join(self.line() + "\n" for _ in range(r.randint(15, 60)))})
            return
        path = r.choice(files)
        text = path.read_text().splitlines()
        i = r.randint(0, len(text) - 1)
        if what < .35:
            text[i:i + r.randint(0, 3)] = [self.line() for _ in range(r.randint(1, 4))]
        elif what < .5:
            text[i:i] = [self.line() for _ in range(r.randint(1, 6))]
        elif what < .6 and len(text) > 20:
            del text[i:i + r.randint(1, 4)]
        elif what < .75 and len(text) > 20:  # a block goes elsewhere
            block = text[i:i + r.randint(3, 8)]
            del text[i:i + len(block)]
            to = r.randint(0, len(text))
            text[to:to] = block
        elif what < .87:  # whitespace alone
            text = [("\t" + x.strip() if r.random() < .7 else x) for x in text]
        else:
            to = self.repo / r.choice(["src", "lib", "core"]) / f"{r.choice(WORDS)}{self.n}.c"
            to.parent.mkdir(exist_ok=True)
            if to.exists():
                return
            path.rename(to)
            path = to
            self.n += 1
            if r.random() < .5:
                text[i] = self.line()
        path.write_text("\n".join(text) + "\n")

    def commit(self):
        for _ in range(self.rng.randint(1, 3)):
            self.edit()
        self.git("add", "-A")
        self.git("commit", "-qm", f"step {self.n}: {self.rng.choice(WORDS)}")

    def tell(self, steps):
        for i in range(steps):
            if self.rng.random() < .15:
                self.git("checkout", "-qb", f"side{i}")
                for _ in range(self.rng.randint(1, 4)):
                    self.commit()
                self.git("checkout", "-q", "main")
                for _ in range(self.rng.randint(0, 3)):
                    self.commit()
                if self.git("merge", "-q", "--no-edit", f"side{i}").returncode:
                    for p in self.files():  # both sides stay: a merge that changes lines itself
                        p.write_text("".join(x for x in p.read_text().splitlines(True) if x[:7] not in ("<<<<<<<", "=======", ">>>>>>>")))
                    self.git("add", "-A")
                    self.git("commit", "-qm", "merged by hand")
            else:
                self.commit()
        return self


def trace(w, repo, asked, *options):
    done = subprocess.run([str(BUILD / "history_run"), str(w.root / "traces"), str(repo), *options], capture_output=True, env=w.env,
                          input="".join(f"{p}\t{a}\t{b}\n" for p, a, b in asked), text=True)
    assert done.returncode == 0, done.stderr
    for answer in done.stdout.split("\n\n")[:len(asked)]:
        lines = {}
        for row in answer.strip().split("\n"):
            part = row.split("\t")
            assert part[0] != "error", row
            for k in range(int(part[4])):
                lines[int(part[3]) + k] = (part[0], int(part[2]) + k)
        yield lines


def test_as_git_blames(w):
    lines = equal = 0
    for seed in range(40 if LONG else 3):
        s = Story(w, seed).tell(120 if LONG else 50)
        files = [str(p.relative_to(s.repo)) for p in s.files()]
        counts = {f: len((s.repo / f).read_text().splitlines()) for f in files}
        ours = trace(w, s.repo, [(f, 1, counts[f]) for f in files])
        for f, got in zip(files, ours):
            theirs = blame(s.repo, f)
            assert set(got) == set(theirs), f
            lines += len(theirs)
            equal += sum(got[n][0] == theirs[n][0] for n in theirs)
    print(f"{equal} of {lines} lines as git blames them")
    assert lines > 500 and equal >= .99 * lines, (equal, lines)


def test_reasons(w):
    repo = w.repo("why", files={"src/a.py": "def first():\n    return 1\n\n\ndef second_function_here():\n    return 'two' + str(2)\n"})
    a = repo / "src" / "a.py"

    def commit(message):
        w.git(repo, "add", "-A")
        w.git(repo, "commit", "-qm", message)
        assert w.run("index", cwd=repo).returncode == 0  # a commit of the last seconds may not have been noticed
        return w.git(repo, "rev-parse", "HEAD").strip()

    a.write_text(a.read_text().replace("return 1", "return 7"))
    seven = commit("Return seven\n\nOne was too small for the callers.")
    a.write_text(a.read_text().replace("    return", "\treturn"))
    commit("Tabs")
    w.git(repo, "mv", "src/a.py", "src/b.py")
    commit("Rename")
    o = w.json("history", "src/b.py:2", cwd=repo)
    assert o["reason"]["commit"] == seven and o["reason"]["subject"] == "Return seven"
    assert o["reason"]["body"] == "One was too small for the callers." and o["reason"]["author"] == "t"
    assert o["lines"] == [{"start_line": 2, "end_line": 2, "uncommitted": False, "commit": seven, "path": "src/a.py", "line": 2}]
    assert [c["subject"] for c in o["commits"]] == ["Return seven", "first"]
    assert o["people"][0]["email"] == "t@t" and o["people"][0]["share"] == 1
    o = w.json("history", "b.py", cwd=repo / "src")
    assert o["reason"] is None and not o["lines"] and "Rename" in [c["subject"] for c in o["commits"]]
    text = w.run("history", "src/b.py:2", cwd=repo).stdout
    assert seven[:10] in text and "One was too small" in text and "Who knows" in text
    # commits that are to be passed over
    b = repo / "src" / "b.py"
    b.write_text(b.read_text().replace("return 7", "return (7)"))
    style = commit("Style")
    assert w.json("history", "src/b.py:2", cwd=repo)["reason"]["commit"] == style
    write(repo, {".git-blame-ignore-revs": f"# style\n{style}\n"})
    commit("Ignore the style commit")
    assert w.json("history", "src/b.py:2", cwd=repo)["reason"]["commit"] == seven
    # what is not committed is said to be so
    b.write_text("# new\n" + b.read_text())
    assert w.run("index", cwd=repo).returncode == 0
    o = w.json("history", "src/b.py:1-3", cwd=repo)
    assert [x["uncommitted"] for x in o["lines"]] == [True, False, False] and o["lines"][2]["commit"] == seven
    # errors
    for place, word in (("src/c.py", "src/b.py"), ("src/b.py:99", "lines"), ("src/b.py:0", "counted")):
        r = w.run("history", place, cwd=repo)
        assert r.returncode == 2 and word in r.stderr, r


def test_questions_why(w):
    """Messages answer why, and no other question changes by them."""
    repo = w.repo()
    retry = repo / "src" / "retry.py"
    retry.write_text(retry.read_text().replace("backoff=0.5", "backoff=0.8"))
    w.git(repo, "add", "-A")
    w.git(repo, "commit", "-qm", "Wait longer between attempts\n\nThe gateway throttled bursts of reconnects during the outage in spring.")
    head = w.git(repo, "rev-parse", "HEAD").strip()
    assert w.run("index", cwd=repo).returncode == 0
    o = w.json("ask", "why did we wait longer between attempts?", cwd=repo)
    assert o["mode"] == "extractive" and "Wait longer between attempts" in o["answer"] and "throttled" in o["answer"]
    cite = [c for c in o["citations"] if c.get("reason_commit") == head]
    assert len(cite) == 1 and cite[0]["path"] == "src/retry.py" and cite[0]["commit_subject"] == "Wait longer between attempts"
    line = retry.read_text().splitlines()[cite[0]["start_line"] - 1]
    assert "backoff=0.8" in line and f"[{cite[0]['n']}]" in o["answer"]
    o = w.json("ask", "why does the gateway throttle bursts of reconnects?", cwd=repo)
    assert any(c.get("reason_commit") == head for c in o["citations"])
    # a message is laid out as it was written, without code and trailers
    retry.write_text(retry.read_text().replace("backoff=0.8", "backoff=0.9"))
    w.git(repo, "commit", "-qam", "Soothe the zephyr gateway\n\n* it was overrun\n* it asked\n  for mercy\n\nSeen with:\n```py\nsoothe(\"zephyr\")\n```\nSigned-off-by: A <a@b>")
    assert w.run("index", cwd=repo).returncode == 0
    w.json("history", "src/retry.py", cwd=repo)
    o = w.json("ask", "why was the zephyr gateway soothed?", cwd=repo)
    assert "\n  - it was overrun\n  - it asked\n  for mercy\n\n  Seen with:\n\n  …\n" in o["answer"] and "Signed-off" not in o["answer"], o["answer"]
    assert "note" not in o or "history" not in o["note"], o
    o = w.json("ask", "where is the retry policy?", cwd=repo)
    assert "## History" not in o["answer"] and not any("reason_commit" in c for c in o["citations"])
    o = w.json("search", "throttled bursts of reconnects", cwd=repo, code=None)
    assert all("reason_commit" not in r for r in o["results"])


def test_questions_by_meaning(w):
    """a message in other words than the question is found by its vector, which is made while nobody waits"""
    if not (BUILD / "share" / "codeask" / "models").exists():
        return
    repo = w.repo("meaning", files={"src/send.py": "def send(request):\n    return transmit(request)\n"})
    for n, message in enumerate(["Sleep exponentially after failures\n\nOverloaded servers were hammered by clients that came back at once.",
                                 "Sort imports", "Print colours on terminals only", "Read the settings from a file"]):
        write(repo, {f"src/part{n}.py": f"def part_{n}(value):\n    return value + {n}\n"})
        w.git(repo, "add", "-A")
        w.git(repo, "commit", "-qm", message)
    question = "why do clients wait longer each time a server is overloaded?"
    assert w.run("index", cwd=repo).returncode == 0
    wait_for(lambda: not w.json("status")["jobs"], "the vectors of messages")
    found = w.json("ask", question, cwd=repo, code=None)
    assert "Sleep exponentially" in found["answer"], found
    w.run("stop")
    w.config("embed = no\n", w.root / "words")
    env = {"CODEASK_HOME": str(w.root / "words")}
    assert w.run("index", cwd=repo, env=env).returncode == 0
    assert "Sleep exponentially" not in w.run("ask", question, cwd=repo, env=env).stdout


def test_shallow_bare_unborn_partial(w):
    repo = Story(w, 7).tell(20).repo
    url = "file://" + str(repo)
    shallow, bare, empty, partial = (w.root / n for n in ("shallow", "bare.git", "empty", "partial"))
    w.git(w.root, "clone", "-q", "--depth", "5", url, str(shallow))
    w.git(w.root, "clone", "-q", "--bare", url, str(bare))
    w.git(repo, "config", "uploadpack.allowFilter", "true")
    w.git(w.root, "clone", "-q", "--filter=blob:none", url, str(partial))
    w.git(w.root, "init", "-q", str(empty))
    write(empty, {"a.py": "x = 1\n"})
    path = next(str(p.relative_to(repo)) for p in sorted(repo.rglob("*.c")))
    whole = w.json("history", path, "-n", "500", cwd=repo)["commits"]
    assert w.json("history", path, "-n", "500", "-C", bare)["commits"] == whole
    few = w.json("history", path, "-n", "500", cwd=shallow)["commits"]
    assert 0 < len(few) and [c["commit"] for c in few[:1]] == [c["commit"] for c in whole[:1]]
    w.json("history", path + ":1", cwd=partial)
    assert w.json("history", "a.py", cwd=empty, code=2)["error"]["code"] == "not_found"
    w.git(shallow, "fetch", "-q", "--unshallow")
    w.git(shallow, "commit", "-qm", "on top", "--allow-empty")
    assert w.run("index", cwd=shallow).returncode == 0
    o = w.json("history", path, "-n", "500", cwd=shallow)
    assert [c["commit"] for c in o["commits"]] == [c["commit"] for c in whole]


def test_people_switched_off(w):
    w.config("history_people = no\n")
    repo = w.repo()
    o = w.json("history", "README.md:1", cwd=repo)
    assert "people" not in o and o["reason"]["subject"] == "first"
    assert json.dumps(o).count("t@t") >= 1


if __name__ == "__main__":
    main(globals())
