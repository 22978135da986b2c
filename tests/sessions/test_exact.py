"""Exact search against an oracle: Python's re over the lines of the same files, and ripgrep where it is installed."""
import json
import random
import re
import shutil
import subprocess

import lib


WORDS = ["alpha", "Beta", "gamma_delta", "wait_for", "fooBar", "x1", "return", "if", "naïve", "ßeta", "日本", "==", "->", "// note", "\tint", "%d", '"q"', "a.b"]


def corpus(seed, files=60):
    r = random.Random(seed)
    return {f"d{i % 5}/f{i}.{r.choice(['c', 'py', 'md', 'txt'])}":
            "".join(" ".join(r.choice(WORDS) for _ in range(r.randrange(9))) + "\n" for _ in range(r.randrange(40)))
            + r.choice(["", "no line end"]) for i in range(files)}


def found(w, repo, *args, code=None):
    o = w.json("search", "--limit", "1000", *args, cwd=repo, code=code)
    assert o["truncated"] is False, args
    return sorted((r["path"], r["start_line"]) for r in o["results"])


def oracle(files, pattern):
    p = re.compile(pattern)
    return sorted((path, n) for path, text in files.items() for n, line in enumerate(text.split("\n"), 1)
                  if (n <= text.count("\n") or line) and p.search(line))


PATTERNS = ["alpha", r"gamma_\w+", r"^return", r"if$", r"(?i)FOOBAR", r"(?i)beta", r"\bx\d\b", r"wait_for.*(alpha|Beta)", r"na.ve", "日本",
            r"[A-Z]\w+ [a-z]", r"alpha\s+Beta", r"[^a-z]*if", r"^$", r"z*", r"(?<=alpha )Beta", r"alpha(?! Beta)", r"a\.b", r"%d|->", r"no such thing",
            r"(alpha|Beta) \S+ (x1|if)", r"(x1|if) (x1|if)", r"\t", r"ß", r"no line end"]


def test_as_the_oracle(w):
    files = corpus(1)
    repo = w.repo(files=files)
    rg = shutil.which("rg")
    for p in PATTERNS:
        want = oracle(files, p)
        assert want or p == "no such thing", p
        if len(want) > 1000:
            o = w.json("search", "--limit", "1000", "--regex", p, cwd=repo)
            assert o["truncated"] is True and len(o["results"]) == 1000, p
            continue
        assert found(w, repo, "--regex", p) == want, p
        if rg and "(?<=" not in p and "(?!" not in p:
            out = subprocess.run([rg, "--json", "--crlf", "-e", p], cwd=repo, capture_output=True, text=True).stdout
            rows = [json.loads(line) for line in out.splitlines()]
            theirs = sorted((r["data"]["path"]["text"], r["data"]["line_number"]) for r in rows if r["type"] == "match")
            assert theirs == want, p


def test_overlay(w):
    files = corpus(2, 20)
    repo = w.repo(files=files)
    w.json("index", cwd=repo)
    gone, changed = sorted(files)[0], sorted(files)[1]
    (repo / gone).unlink()
    files.pop(gone)
    files[changed] = "one line\nthe overlay holds this\n"
    files["new.py"] = "x = 'the overlay holds this'\n"
    lib.write(repo, {changed: files[changed], "new.py": files["new.py"]})
    w.json("index", cwd=repo)
    for p in ("the overlay holds this", "alpha", "one line"):
        want = oracle(files, p)
        assert found(w, repo, "--regex", p) == found(w, repo, f'"{p}"') == want, p


def test_quoted_in_large(w):
    """quoted text beside words: the files that hold it, whether they are read for the first time or kept, near the top or at the end"""
    r = random.Random(7)
    files = {}
    for i in range(8):
        lines = ["word_%d is %d" % (r.randrange(3000), r.randrange(10**6)) for _ in range(5000)]
        if i % 2:
            lines[r.randrange(200) if i % 4 == 1 else -1 - r.randrange(200)] = "the Needle text of all"
        else:
            lines[50], lines[4000] = "a needle text in other letters", "the Needle"  # its parts are there, the text is not
        files[f"src/large{i}.txt"] = "\n".join(lines) + "\n"
    files["src/small.txt"] = "the Needle text\n"
    files["src/other.txt"] = "the Needle, a text\n"
    repo = w.repo(files=files)
    assert min(len(t) for p, t in files.items() if "large" in p) > 80_000
    for quoted in ("Needle text", "e Needle", "word_7 is", "eedl", "the Needle text of all", "no such thing at all"):
        want = sorted(p for p, t in files.items() if quoted in t)
        for _ in range(2):
            o = w.json("search", "--limit", "1000", f'needle word "{quoted}"', cwd=repo, code=None if want else 1)
            assert sorted({x["path"] for x in o["results"]}) == want, quoted


def test_quoted(w):
    repo = w.repo(files={"a.c": 'int open_door(void);\n/* say "hello" twice (really) */\nint x = 1;\n', "b.c": "int open_door(void) { return 1; }\n",
                         "two.py": "first = 'left piece'\n\n\nsecond = 'right piece'\n", "one.py": "first = 'left piece'\n",
                         "multi.txt": "one\ntwo\nthree\n"})
    assert found(w, repo, '"open_door("') == [("a.c", 1), ("b.c", 1)]
    assert found(w, repo, '"(really)"') == [("a.c", 2)]
    assert found(w, repo, r'"say \"hello\""') == [("a.c", 2)]
    assert found(w, repo, '"left piece" "right piece"') == [("two.py", 1), ("two.py", 4)]
    assert found(w, repo, '"one\ntwo"') == [("multi.txt", 1)]
    assert found(w, repo, '"OPEN_DOOR"', code=1) == []
    # with words: it filters what is ranked
    rows = w.json("search", 'the door "return 1;"', cwd=repo)["results"]
    assert {r["path"] for r in rows} == {"b.c"}, rows
    assert w.json("search", 'the door "not in any file"', cwd=repo, code=1)["results"] == []


def test_line_ends_and_bytes(w):
    repo = w.repo(files={"keep.txt": "x\n"}, commit=False)
    lib.write(repo, {".gitattributes": "* -text\n"})
    (repo / "dos.c").write_bytes(b"int a;\r\nint b;\r\nlast;")
    (repo / "latin.txt").write_bytes(b"caf\xe9 bar\nplain bar\n\xff\xfe\xfd tail\n")
    (repo / "nul.bin").write_bytes(b"int a;\0\n")
    (repo / "empty.c").write_bytes(b"")
    w.git(repo, "add", "-A")
    w.git(repo, "commit", "-qm", "bytes")
    assert found(w, repo, "--regex", r";$") == [("dos.c", 1), ("dos.c", 2), ("dos.c", 3)]
    assert found(w, repo, "--regex", r"^int \w;$") == [("dos.c", 1), ("dos.c", 2)]
    assert found(w, repo, "--regex", r"a;\r\nint") == [("dos.c", 1)]
    assert found(w, repo, "--regex", "bar") == [("latin.txt", 1), ("latin.txt", 2)]
    assert found(w, repo, "--regex", "tail$") == [("latin.txt", 3)]
    o = w.json("search", "--regex", "int a", cwd=repo)
    assert [r["path"] for r in o["results"]] == ["dos.c"] and o["unsearched"]["binary"] == 1
    assert "\r" not in o["results"][0]["snippet"]
    o = w.json("search", "--regex", r"int a;(?s).*b", cwd=repo)
    assert [(r["start_line"], r["end_line"]) for r in o["results"]] == [(1, 2)]


def test_filters_and_limits(w):
    repo = w.repo(files={**{f"src/m{i}.py": f"def needle_{i}():\n    return needle\n\n\nclass Other:\n    needle = 1\n" for i in range(12)},
                         "doc/x.md": "needle\n", "long.js": "x" * 5000 + "needle" + "y" * 5000 + "\n"})
    run = lambda *a, **k: w.json("search", "--regex", *a, cwd=repo, **k)
    o = run("needle", "--limit", "5")
    assert len(o["results"]) == 5 and o["truncated"] is True
    paths = [r["path"] for r in run("needle", "--limit", "100", "--unique-files")["results"]]
    assert len(paths) == len(set(paths)) == 14
    assert {r["path"] for r in run("needle", "--path", "doc")["results"]} == {"doc/x.md"}
    assert {r["language"] for r in run("needle", "--lang", "python", "--limit", "100")["results"]} == {"python"}
    assert {r["start_line"] for r in run("needle", "--kind", "class", "--limit", "100")["results"]} == {6}
    long = [r for r in run("needle", "--limit", "100")["results"] if r["path"] == "long.js"]
    assert len(long) == 1 and "needle" in long[0]["snippet"] and len(long[0]["snippet"]) < 1100


def test_patterns_that_never_end(w):
    repo = w.repo(files={"a.txt": "a" * 3000 + "b\n", "b.txt": "short\n"})
    r = w.run("search", "--regex", r"(a+)+$", cwd=repo)
    assert r.returncode == 2 and "backtracks too much" in r.stderr and "a.txt" in r.stderr, r
    r = w.run("search", "--regex", r"(unclosed", cwd=repo)
    assert r.returncode == 2 and "character" in r.stderr
    o = w.json("search", "--regex", r"(a+)+$|short", cwd=repo)
    assert [x["path"] for x in o["results"]] == ["b.txt"] and o["unsearched"]["given_up"] == 1 and "backtracks" in o["note"]


def test_large_files_are_counted(w):
    w.config("max_file_bytes = 20000\n")
    repo = w.repo(files={"a.txt": "needle\n", "large.txt": "needle\n" * 5000})
    o = w.json("search", "--regex", "needle", cwd=repo)
    assert [r["path"] for r in o["results"]] == ["a.txt"]
    assert o["unsearched"]["unread"] == 1 and "not searched" in o["note"], o


def test_masked_secrets_are_no_match(w):
    key = "AKIA" + "QYLPMN5HHHFPZAM2"
    repo = w.repo(files={"deploy.py": f'AWS_ACCESS_KEY_ID = "{key}"\nstars = "******"\n'})
    assert found(w, repo, "--regex", key, code=1) == []
    assert found(w, repo, "--regex", r"AKIA\w+", code=1) == []
    assert found(w, repo, "--regex", r"\*{3,}") == [("deploy.py", 2)]
    o = w.json("search", "--regex", "ACCESS_KEY", cwd=repo)
    assert key not in json.dumps(o) and o["results"][0]["start_line"] == 1


def test_branch_and_several_repositories(w):
    one = w.repo("one", files={"a.py": "needle = 1\n"})
    two = w.repo("two", files={"b.py": "needle = 2\n"})
    w.git(one, "checkout", "-qb", "side")
    lib.write(one, {"side.py": "needle = 3\n"})
    w.git(one, "add", "-A")
    w.git(one, "commit", "-qm", "side")
    w.git(one, "checkout", "-q", "-")
    assert found(w, one, "--regex", "needle") == [("a.py", 1)]
    assert found(w, one, "--regex", "needle", "--branch", "side") == [("a.py", 1), ("side.py", 1)]
    w.json("index", cwd=two)
    assert found(w, one, "--regex", "needle", "--all-repos") == [("a.py", 1), ("b.py", 1)]


if __name__ == "__main__":
    lib.main(globals())
