"""First answers, shapes of the contract, exit codes."""
import json
import os
import re

from lib import SOURCES, main, write

PLACE = {"repo": str, "commit": (str, type(None)), "blob": str, "path": str, "start_line": int, "end_line": int}
ROW = {**PLACE, "score": float, "symbol": (str, type(None)), "kind": (str, type(None)), "language": (str, type(None)),
       "snippet": str}
F = {"generation": int, "commit": (str, type(None)), "dirty": bool, "overlay_files": int, "pending_files": int,
     "embedded": (int, float), "reconciled_ms_ago": int}


def has_shape(o, shape):
    for key, kind in shape.items():
        assert key in o and isinstance(o[key], kind), f"{key}: {o.get(key)!r} in {o}"


def check_freshness(f, commit=True):
    has_shape(f, F)
    assert 0 <= f["embedded"] <= 1
    assert 0 <= f["reconciled_ms_ago"] < 120000  # a loaded machine indexes slowly
    assert bool(f["commit"]) == commit


def test_first_answer(w):
    repo = w.repo()
    r = w.run("where is the retry policy?", cwd=repo)
    assert r.returncode == 0, r.stderr
    assert "RetryPolicy" in r.stdout and "src/retry.py" in r.stdout
    assert "\033" not in r.stdout, "colour into a pipe"
    assert "extractive" in r.stdout
    assert r.stderr == "", r.stderr


def test_search_json(w):
    repo = w.repo()
    o = w.json("search", "retry policy", cwd=repo / "src")
    has_shape(o, {"query": str, "took_ms": (int, float), "freshness": dict, "results": list})
    assert o["query"] == "retry policy"
    check_freshness(o["freshness"])
    assert o["freshness"]["commit"] == w.git(repo, "rev-parse", "HEAD").strip()
    top = o["results"][0]
    for row in o["results"]:
        has_shape(row, ROW)
        blob = w.git(repo, "rev-parse", "HEAD:" + row["path"]).strip()
        assert row["blob"] == blob and row["commit"] == o["freshness"]["commit"]
        lines = (repo / row["path"]).read_text().splitlines()
        assert 1 <= row["start_line"] <= row["end_line"] <= len(lines)
        assert row["snippet"].splitlines()[0].strip() == lines[row["start_line"] - 1].strip()
    assert top["path"] == "src/retry.py" and top["repo"] == "courier" and top["language"] == "python"
    assert o["results"] == sorted(o["results"], key=lambda r: -r["score"])


def test_ask_json(w):
    repo = w.repo()
    o = w.json("ask", "where is the retry policy?", cwd=repo)
    has_shape(o, {"id": str, "mode": str, "answer": str, "citations": list, "freshness": dict, "timings": dict})
    assert "conversation" in o and o["model"] is None
    assert o["mode"] == "extractive"
    check_freshness(o["freshness"])
    assert o["citations"]
    for c in o["citations"]:
        has_shape(c, {"n": int, **PLACE})
        assert f"[{c['n']}]" in o["answer"]
    assert all(isinstance(v, (int, float)) for v in o["timings"].values())


def test_symbol_json(w):
    repo = w.repo()
    o = w.json("symbol", "send_with_retry", cwd=repo)
    assert o["symbol"] == "send_with_retry" and set(o) & {"callers", "callees", "references"} == set()
    assert [d["path"] for d in o["definitions"]] == ["src/retry.py"]
    o = w.json("symbol", "--callers", "send_with_retry", cwd=repo)
    assert "definitions" not in o and [c["path"] for c in o["callers"]] == ["src/pool.py"]
    for row in o["callers"]:
        has_shape(row, ROW)
    o = w.json("symbol", "--callees", "--references", "send_with_retry", cwd=repo)
    assert "callees" in o and "references" in o
    o = w.json("symbol", "no_such_thing_anywhere", cwd=repo, code=1)
    assert o["definitions"] == []


def test_status_json(w):
    repo = w.repo()
    w.json("index", cwd=repo)
    o = w.json("status")
    has_shape(o, {"version": str, "pid": int, "provider": str, "models": list, "repos": list, "jobs": list, "memory": dict})
    has_shape(o["repos"][0], {"repo": str, "path": str, "freshness": dict, "quarantined": int, "bytes": int})
    assert o["repos"][0]["path"] == str(repo)
    assert o["memory"]["resident"] > 0 and o["disk"]["tables"]


def test_index_waits_for_vectors(w):
    repo = w.repo()
    o = w.json("index", cwd=repo)
    f = o["repos"][0]["freshness"]
    models = w.json("model", "list")["models"]
    assert o["repos"][0]["files"] == len(SOURCES)
    assert f["embedded"] == (1 if models else 0), o
    assert w.json("search", "retry", cwd=repo)["vectors"] == bool(models)


def test_no_wait(w):
    repo = w.repo()
    o = w.json("index", "--no-wait", cwd=repo)
    assert o["waited"] is False


def test_exit_codes(w):
    repo = w.repo()
    assert w.run("search", "retry", cwd=repo).returncode == 0
    assert w.run("search", "--regex", "zzqqxx_nothing_like_it", cwd=repo).returncode == 1
    o = w.json("ask", "how does the kubernetes ingress controller rotate certificates?", cwd=repo, code=1)
    assert o["mode"] == "insufficient"
    for wrong in (["search"], ["search", "x", "--limit", "0"], ["search", "x", "--limit", "many"], ["search", "x", "--nope"],
                  ["status", "of", "it"], ["search", "x", "--callers"], ["search", "x", "--lang", "klingon"],
                  ["search", "x", "--kind", "thing"], ["search", "x", "--branch", "nope"], ["search", "x", "--repo", "nope"],
                  ["search", "x", "-C", "/nowhere"], ["repo"], ["repo", "frob"], ["history"], []):
        r = w.run(*wrong, cwd=repo)
        assert r.returncode == 2 and r.stderr.startswith("codeask: ") and not r.stdout, (wrong, r)
        assert "\n  " in r.stderr or wrong[1:2] == ["x"], r.stderr


def test_errors_in_json(w):
    repo = w.repo()
    for args, name in ((["search", "x", "--branch", "nope"], "not_found"), (["search", "x", "--repo", "nope"], "not_found"),
                       (["search", "--json", "--limit", "0", "x"], "usage"), (["statsu"], "usage"),
                       (["search", "x", "--lang", "klingon"], "usage")):
        o = w.json(*args, cwd=repo, code=2)
        has_shape(o["error"], {"code": str, "message": str, "hint": str})
        assert o["error"]["code"] == name, o


def test_did_you_mean(w):
    for typed, meant in (("serach", "search"), ("statsu", "status"), ("indx", "index"), ("doctr", "doctor"), ("symbl", "symbol")):
        r = w.run(typed)
        assert r.returncode == 2 and f"did you mean {meant}?" in r.stderr, r
    repo = w.repo()
    r = w.run("serach", "bandicoot", cwd=repo)
    assert r.returncode == 1 and "did you mean the command search?" in r.stderr, "two words are a question"
    r = w.run("serach", "retry", "policy", cwd=repo)
    assert r.returncode == 0 and not r.stderr, r
    assert w.run("RetryPolicy", cwd=repo).returncode == 0, "a word like no command is a question"
    assert "--limit" in w.run("search", "x", "--limt", "3").stderr


def test_words(w):
    repo = w.repo()
    a = w.json("where", "is", "the", "retry", "policy", cwd=repo)
    assert a["mode"] == "extractive"
    o = w.json("search", "retry", "policy", "-n2", "-C", repo)
    assert o["query"] == "retry policy" and len(o["results"]) <= 2
    o = w.json("-C", repo, "search", "--limit=1", "retry")
    assert len(o["results"]) == 1
    r = w.run("-C", repo, "search", "--", "--limit")
    assert r.returncode in (0, 1), r.stderr
    r = w.run("--", "status", cwd=repo)
    assert "question" not in r.stderr and r.returncode in (0, 1)


def test_filters(w):
    repo = w.repo()
    paths = lambda *a: [r["path"] for r in w.json("search", *a, cwd=repo)["results"]]
    assert set(paths("header line", "--lang", "c")) == {"lib/tokens.c"}
    assert set(paths("retry", "--path", "src")) <= {"src/retry.py", "src/pool.py"}
    assert set(paths("retry", "--path", "./src/pool.py")) == {"src/pool.py"}
    assert all(r["kind"] == "class" for r in w.json("search", "retry pool", "--kind", "class", cwd=repo)["results"])
    found = paths("retry", "--unique-files")
    assert len(found) == len(set(found))
    assert paths("--regex", r"split_h\w+")[0] == "lib/tokens.c"
    o = w.json("search", "retry", "--explain", cwd=repo)
    assert any(o["results"][0]["explain"].values())
    for r in o["results"]:  # what --explain says adds up to the score
        score = sum(r["explain"].values())
        for factor in r["factors"].values():
            score *= factor
        assert abs(score - r["score"]) < 1e-3 * r["score"] + 1e-6, r


def test_variants_and_headers(w):
    body = "class Pool:\n    def lease(self, size):\n        \"\"\"Leases a buffer of the pool.\"\"\"\n        return {}(size)\n"
    header = "/* Rotates the ring buffer by a number of slots. */\nint ring_rotate(struct ring *r, int slots);\n"
    code = ("#include \"ring.h\"\n\nint ring_rotate(struct ring *r, int slots)\n{\n    /* the ring buffer rotates in place */\n"
            "    r->head = (r->head + slots) % r->size;\n    return r->head;\n}\n")
    repo = w.repo("variants", {"sync/pool.py": body.format("alloc"), "async/pool.py": body.format("await_alloc"),
                               "base/lease.py": "def lease_of(pool):\n    return pool.lease(1)\n", "ring.h": header, "ring.c": code})
    def rows(question):
        return w.json("search", question, "--unique-files", "--explain", cwd=repo)["results"]
    pools = [r for r in rows("how the pool leases a buffer") if r["path"].endswith("/pool.py")]
    assert len(pools) == 2 and "variant" not in pools[0]["explain"] and pools[1]["explain"]["variant"] < 0, pools
    for asked in ("async", "sync"):  # a variant that is named leads, and is held back by nothing
        first = rows(f"how the {asked} pool leases a buffer")[0]
        assert first["path"] == f"{asked}/pool.py" and "variant" not in first["explain"], first
    found = [r["path"] for r in rows("rotate the ring buffer")]
    assert found.index("ring.c") < found.index("ring.h"), found


def test_stdin(w):
    repo = w.repo()
    trace = ('Traceback (most recent call last):\n  File "/srv/app/src/pool.py", line 13, in fetch\n'
             '    return send_with_retry(request, RetryPolicy())\n  File "/srv/app/src/retry.py", line 24, in send_with_retry\n'
             '    raise ConnectionError("gave up after 3 attempts")\nConnectionError: gave up after 3 attempts\n')
    o = w.json("ask", "-", cwd=repo, stdin=trace)
    assert "src/retry.py" in [c["path"] for c in o["citations"]], o
    o = w.json("why does it fail?", "-", cwd=repo, stdin=trace)
    assert o["mode"] == "extractive"
    r = w.run("ask", "-", cwd=repo, stdin="")
    assert r.returncode == 2 and "empty" in r.stderr, r
    r = w.run("search", "retry", "-", cwd=repo, stdin="\x00\x01" + "x" * 3_000_000)
    assert r.returncode in (0, 1) and "last 1 MiB" in r.stderr, r.stderr


def test_dirty_tree(w):
    repo = w.repo()
    write(repo, {"src/new_feature.py": "def frobnicate_widgets():\n    return 'uncommitted'\n"})
    o = w.json("search", "frobnicate widgets", cwd=repo)
    top = o["results"][0]
    assert top["path"] == "src/new_feature.py" and top["commit"] is None
    assert o["freshness"]["dirty"] is True and o["freshness"]["overlay_files"] == 1


def test_branch(w):
    repo = w.repo()
    w.git(repo, "checkout", "-qb", "side")
    write(repo, {"side.py": "def only_on_the_side_branch():\n    pass\n"})
    w.git(repo, "add", "-A")
    w.git(repo, "commit", "-qm", "side")
    side = w.git(repo, "rev-parse", "HEAD").strip()
    w.git(repo, "checkout", "-q", "main")
    assert w.run("search", "--regex", "only_on_the_side_branch", cwd=repo).returncode == 1
    o = w.json("search", "only_on_the_side_branch", "--branch", "side", cwd=repo)
    assert o["results"][0]["commit"] == side == o["freshness"]["commit"]
    assert w.run("index", "--all-branches", cwd=repo).returncode == 0
    assert w.run("index", "--all-branches", "--branch", "side", cwd=repo).returncode == 2


def test_odd_paths(w):
    repo = w.repo(files={**SOURCES, "odd\nname.py": "def newline_in_its_path():\n    pass\n"})
    bad = os.fsencode(repo) + b"/caf\xe9.py"
    with open(bad, "w") as f:
        f.write("def latin_one_path():\n    pass\n")
    w.git(repo, "add", "-A")
    w.git(repo, "commit", "-qm", "odd")
    top = w.json("search", "latin_one_path", cwd=repo)["results"][0]
    assert top["path"] == "caf\ufffd.py" and top["path_b64"] == "Y2Fm6S5weQ=="
    top = w.json("search", "newline_in_its_path", cwd=repo)["results"][0]
    assert top["path"] == "odd\nname.py" and "path_b64" not in top


def test_terminal_text_is_inert(w):
    repo = w.repo(files={"evil.py": "def evil_escape():\n    return '\033]0;owned\007\033[31m \u202e txt'\n"})
    r = w.run("search", "evil_escape", cwd=repo)
    assert r.returncode == 0 and not re.search("[\033\007\u202e]", r.stdout), repr(r.stdout)


def test_help(w):
    assert "usage: codeask" in w.run("--help").stdout
    assert "--all-repos" in w.run("help", "search").stdout == w.run("search", "--help").stdout
    assert w.run("--version").stdout.startswith("codeask ")
    for shell in ("bash", "zsh", "fish", "man"):
        assert "unique" in w.run("completion", shell).stdout
    assert not w.home.exists(), "help needs no home"


def test_doctor(w):
    o = w.json("doctor")
    assert {c["name"] for c in o["checks"]} >= {"home", "disk", "socket", "file system", "model", "provider", "watches", "version"}
    assert not w.home.exists(), "doctor starts nothing"
    (w.root / "file").write_text("")
    r = w.run("doctor", env={"CODEASK_HOME": str(w.root / "file")})
    assert r.returncode == 1 and "fail" in r.stdout


def test_inspect(w):
    repo = w.repo()
    w.run("index", cwd=repo)
    o = w.json("inspect", repo / "src" / "retry.py")
    assert o["language"] == "python" and o["chunks"] and not o["secrets"]
    assert {"RetryPolicy", "delay", "send_with_retry"} <= {s["name"] for s in o["symbols"]}
    assert o["index"]["indexed"] is True and o["index"]["path"] == "src/retry.py"
    assert w.run("inspect", repo / "nope.py").returncode == 2


if __name__ == "__main__":
    main(globals())
