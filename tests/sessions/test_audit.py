"""audit.jsonl: a row a request, whoever asked and over whatever transport; what it must hold, what it must not, and that it ends."""
import json
import os
import re

from lib import Rpc, Told, main, wait_for
from test_http import Server
from test_people import SECRET

KEYS = {"ts", "actor", "method", "repos", "query", "chunks", "model", "outcome"}


def rows(home, name="audit.jsonl"):
    text = (home / name).read_text()
    assert text.endswith("\n")
    got = [json.loads(line) for line in text.splitlines()]
    for r in got:
        assert r.keys() == KEYS and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", r["ts"]), r
    return got


def last(w, method):
    return [r for r in rows(w.home) if r["method"] == method][-1]


def test_every_transport_and_method(w):
    repo = w.repo()
    told = Told(w, "say The wait is exponential [1].\n")
    owner = f"uid:{os.geteuid()}"
    hits = w.json("search", "exponential backoff", cwd=repo)["results"]
    row = last(w, "search")
    assert (row["actor"], row["repos"], row["query"], row["model"], row["outcome"]) == (owner, ["courier"], "exponential backoff", None, "done"), row
    assert row["chunks"] == [{k: h[k] for k in ("blob", "start_line", "end_line")} for h in hits], row
    answer = w.json("ask", "how long is the wait before a retry?", cwd=repo)
    row = last(w, "ask")
    assert answer["mode"] == "generated" and row["model"] == "told" and row["query"] == "how long is the wait before a retry?", row
    shown = {(c["blob"], c["start_line"], c["end_line"]) for c in row["chunks"]}
    prompt = json.dumps(told.prompt(1)["messages"])
    paths = {w.git(repo, "rev-parse", f"HEAD:{p}").strip(): p for p in ("src/retry.py", "src/pool.py", "lib/tokens.c", "README.md")}
    assert {paths[b] for b, _, _ in shown} >= {p for p in paths.values() if p + ":" in prompt} and "src/retry.py" in {paths[b] for b, _, _ in shown}, (shown, prompt)
    token = w.run("token", "create", "alice").stdout.strip()
    assert w.run("access", "grant", "alice", "courier").returncode == 0
    assert last(w, "token.create")["query"] == "alice" and last(w, "access.grant")["query"] == "alice courier"
    w.run("stop")
    s = Server(w, (w.home / "config").read_text())
    bearer = {"Authorization": "Bearer " + token}
    s.ask("GET", "/v1/read?place=src/retry.py:5-6&repo=courier", headers=bearer)
    row = last(w, "read")
    assert (row["actor"], row["query"], row["repos"], row["outcome"]) == ("alice", "src/retry.py:5-6", ["courier"], "done") and row["chunks"][0]["start_line"] == 5, row
    s.ask("POST", "/v1/chat/completions", {"model": "codeask", "messages": [{"role": "user", "content": "how long is a wait?"}], "stream": True}, bearer)
    row = last(w, "ask")
    assert (row["actor"], row["query"], row["model"]) == ("alice", "how long is a wait?", "told") and row["chunks"], row
    s.ask("POST", "/v1/chat/completions", {"model": "told", "messages": [{"role": "user", "content": "hello there"}]}, bearer)
    row = last(w, "complete")
    assert (row["query"], row["model"], row["chunks"], row["repos"]) == ("hello there", "told", [], []), row
    assert s.ask("POST", "/v1/search", {"query": "vault", "repo": ["vault"]}, bearer)[0] == 404
    assert last(w, "search")["outcome"] == "not_found"
    assert s.ask("GET", "/metrics", headers=bearer)[0] == 403
    row = last(w, "metrics")
    assert (row["actor"], row["outcome"]) == ("alice", "denied"), row
    assert s.ask("POST", "/v1/search", {"query": "a", "nothing": 1}, bearer)[0] == 400 and last(w, "search")["outcome"] == "usage"
    done = w.run("mcp", cwd=repo, stdin="".join(json.dumps(m) + "\n" for m in [
        {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "h", "version": "1"}}},
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "symbol", "arguments": {"name": "RetryPolicy"}}}]))
    assert done.returncode == 0
    wait_for(lambda: any(r["method"] == "symbol" for r in rows(w.home)), "the row of an agent's request")
    assert last(w, "symbol")["query"] == "RetryPolicy"
    assert not any(token[-20:] in json.dumps(r) for r in rows(w.home)) and (w.home / "audit.jsonl").stat().st_mode & 0o777 == 0o600


def test_what_is_canceled(w):
    repo = w.repo()
    told = Told(w, "say The wait\nsleep 20000\n")
    w.run("index", cwd=repo)
    c = Rpc(w.socket)
    c.request(1, "ask", dir=str(repo), query="how long is the wait before a retry?")
    wait_for(lambda: told.prompts(), "the model to be asked")
    c.close()
    wait_for(lambda: any(r["method"] == "ask" and r["outcome"] == "canceled" for r in rows(w.home)), "the row of a canceled request")
    assert last(w, "ask")["chunks"], "the model has read them"


def test_secrets_and_settings(w):
    key = "AKIA" + "IOSFODNN7QWERTYU"
    repo = w.repo()
    w.config("embed = no\n")
    w.json("search", f"why is AWS_KEY = \"{key}\" refused", cwd=repo, code=None)
    text = (w.home / "audit.jsonl").read_text()
    assert key not in text and "AWS_KEY" in text and "refused" in text, text
    w.json("search", "x" * 100000 + " backoff", cwd=repo, code=None)
    assert len(last(w, "search")["query"]) <= 4096
    w.run("stop")
    w.config("embed = no\naudit = redacted\n")
    w.json("search", "exponential backoff", cwd=repo)
    row = last(w, "search")
    assert row["query"] is None and row["chunks"], row
    w.run("stop")
    before = (w.home / "audit.jsonl").read_text()
    w.config("embed = no\naudit = no\n")
    w.json("search", "exponential backoff", cwd=repo)
    assert (w.home / "audit.jsonl").read_text() == before


def test_it_is_rotated(w):
    repo = w.repo()
    w.config("embed = no\naudit_bytes = 64K\n")
    w.json("search", "retry", cwd=repo)
    with Rpc(w.socket) as c:
        for n in range(900):
            c.request(n, "search", dir=str(repo), query=f"number {n} " + "filler words " * 40)
            c.answer(n)
        files = sorted(p.name for p in w.home.glob("audit.jsonl*"))
        assert files == ["audit.jsonl"] + [f"audit.jsonl.{i}" for i in range(1, 5)], files
        for name in files:
            assert (w.home / name).stat().st_size <= 64 << 10 and (w.home / name).stat().st_mode & 0o777 == 0o600
        newest = [int(r["query"].split()[1]) for name in reversed(files) for r in rows(w.home, name) if r["query"] and r["query"].startswith("number")]
        assert newest == list(range(newest[0], 900)), "no row is lost between files"
        # others may move it away, as logrotate does; what is no file is not written to
        (w.home / "audit.jsonl").rename(w.home / "moved")
        c.request(1000, "search", dir=str(repo), query="after the move")
        c.answer(1000)
        assert [r["query"] for r in rows(w.home)] == ["after the move"]
        (w.home / "audit.jsonl").unlink()
        (w.root / "elsewhere").write_text("")
        (w.home / "audit.jsonl").symlink_to(w.root / "elsewhere")
        c.request(1001, "search", dir=str(repo), query="through a link")
        assert c.answer(1001)["result"]["results"] is not None and (w.root / "elsewhere").read_text() == ""


def test_an_unreadable_repository_leaves_no_trace_in_a_users_row(w):
    w.config("embed = no\n")
    for repo in (w.repo(), w.repo("vault", SECRET)):
        w.run("index", cwd=repo)
    token = w.run("token", "create", "alice").stdout.strip()
    w.run("access", "grant", "alice", "courier")
    w.run("stop")
    s = Server(w)
    s.ask("POST", "/v1/search", {"query": "exponential backoff"}, {"Authorization": "Bearer " + token})
    row = last(w, "search")
    assert row["repos"] == ["courier"] and "vault" not in json.dumps(row), row


if __name__ == "__main__":
    main(globals())
