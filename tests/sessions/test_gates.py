"""Every path of the OpenAPI document, for every kind of who may ask: what is let in, and what junk is answered by. Generated from the document, so
that a new path is asked too."""
import json
import os
import socket
import ssl
import time

from lib import main
from test_clock import Clock
from test_http import FAST, Server
from test_people import SECRET

OPEN = {"/healthz", "/readyz", "/openapi.json"}
SAYS_NOTHING_OF_CODE = {"/metrics", "/v1/metrics"}  # of the scope `metrics`
CHAT = {"model": "codeask", "messages": [{"role": "user", "content": "how long is the wait?"}]}
BODIES = {"/v1/chat/completions": CHAT, "/v1/embeddings": {"model": "all-MiniLM-L6-v2", "input": "a"}, "/v1/search": {"query": "retry"}, "/v1/ask": {"query": "how long is the wait?"},
          "/v1/symbol": {"name": "RetryPolicy"}, "/v1/read": {"place": "src/retry.py", "repo": ["courier"]}, "/v1/history": {"place": "src/retry.py", "repo": ["courier"]},
          "/v1/tour": {"repo": ["courier"]}, "/v1/feedback": {"id": "a0", "verdict": "good"}, "/v1/complete": {"messages": [{"role": "user", "text": "a"}]},
          "/mcp": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search", "arguments": {"query": "retry"}}}}


def operations(s):
    """(method, path) of all that is described; what begins with /v1/ takes a POST."""
    doc = s.ask("GET", "/openapi.json")[1]["paths"]
    return [(method.upper(), path) for path, ops in doc.items() for method in ops if not path.endswith("/")]


def test_every_path_for_every_kind_of_token(w):
    clock = Clock(w)
    w.config("embed = no\nuser_rate = 0\n")
    for repo in (w.repo(), w.repo("vault", SECRET)):
        assert w.run("index", cwd=repo).returncode == 0

    def token(user, *how):
        return w.run("token", "create", user, *how).stdout.strip()
    kinds = {"reader": token("ann"), "nothing granted": token("bob"), "metrics": token("cid", "--scope", "metrics"), "feedback": token("dan", "--scope", "feedback"),
             "expired": token("eve", "--expires", "15m"), "revoked": token("fay"), "removed": token("gus"), "forged": "codeask_" + "0" * 16 + "_" + "0" * 64}
    kinds["another's secret"] = kinds["reader"][:25] + kinds["nothing granted"][25:]
    for user in ("ann", "cid", "dan", "eve", "fay", "gus"):
        assert w.run("access", "grant", user, "courier").returncode == 0
    assert w.run("token", "revoke", "fay").returncode == 0 and w.run("user", "remove", "gus").returncode == 0
    w.run("stop")
    s = Server(w, "embed = no\nuser_rate = 0\n")
    for kind in ("expired", "reader"):
        assert s.ask("GET", "/v1/status", headers={"Authorization": "Bearer " + kinds[kind]})[0] == 200, "not yet"
    clock.jump(3600)
    asked, seen = 0, set()
    for method, path in operations(s):
        body = BODIES.get(path, {}) if method == "POST" else None
        for kind, secret in [*kinds.items(), ("none", None)]:
            headers = {"Authorization": "Bearer " + secret} if secret else {"Host": "office.example"}
            status, got, _ = s.ask(method, path, body, headers)
            text = json.dumps(got)
            asked += 1
            seen.add((kind, status))
            at = (method, path, kind, status, got)
            assert status < 500 or path in ("/v1/embeddings", "/v1/embed", "/v1/complete"), at  # no model here: unavailable
            if path == "/hooks/push":  # it knows its callers by their signatures, not by tokens; here it is switched off
                assert status == 422 and got["error"]["code"] == "unsupported", at
            elif path in OPEN:
                assert status == 200, at
            elif kind in ("expired", "revoked", "removed", "forged", "another's secret", "none"):
                assert status == 401 and got["error"]["code"] == "denied" and set(got["error"]) == {"code", "message", "hint"}, at
                assert got["error"]["message"] == ("a token is wanted" if kind == "none" else "the token is not valid"), at
            elif kind == "metrics" and path in SAYS_NOTHING_OF_CODE:
                assert status == 200, at
            elif kind in ("metrics", "feedback") or path in SAYS_NOTHING_OF_CODE:
                assert "retry.py" not in text and "RetryPolicy" not in text and "courier" not in text, at
                assert status == 403 or path in ("/mcp", "/v1/self") or (kind, path) == ("feedback", "/v1/feedback"), at
            if kind != "reader":
                assert "src/retry.py" not in text and '"courier"' not in text.replace('["courier"]', ""), at
            assert path in OPEN or "vault" not in text.lower(), at
            assert secret is None or secret[-20:] not in text, at
    assert asked > 150 and ("reader", 200) in seen and ("nothing granted", 404) in seen, (asked, seen)
    rows = [json.loads(line) for line in (w.home / "audit.jsonl").read_text().splitlines()]
    assert {r["actor"] for r in rows} <= {"ann", "bob", "cid", "dan", "eve", f"uid:{os.geteuid()}"} and {r["outcome"] for r in rows if r["actor"] == "cid"} == {"denied", "done"}


def test_a_user_starts_no_work(w):
    """A branch that was never indexed is one that is not there; the owner's question brings it in."""
    w.config("embed = no\n")
    repo = w.repo()
    w.run("index", cwd=repo)
    w.git(repo, "branch", "aside")
    token = w.run("token", "create", "ann").stdout.strip()
    w.run("access", "grant", "ann", "courier")
    w.run("stop")
    s = Server(w)
    asked = {"query": "retry", "repo": ["courier"], "branch": "aside"}
    user = {"Authorization": "Bearer " + token}
    for branch in ("aside", "none"):
        status, got, _ = s.ask("POST", "/v1/search", {**asked, "branch": branch}, user)
        assert status == 404 and got["error"]["code"] == "not_found", got
    assert not s.ask("GET", "/v1/status")[1]["jobs"]
    assert s.ask("POST", "/v1/search", asked)[0] == 200 and s.ask("POST", "/v1/search", asked, user)[0] == 200


def test_junk_is_refused_everywhere(w):
    w.config("embed = no\n")
    w.run("index", cwd=w.repo())
    w.run("stop")
    s = Server(w)
    deep = b'{"query":' + b"[" * 100000 + b"]" * 100000 + b"}"
    junk = [b"", b"\0", b"\xff\xfe", b"[", b"null", b"1e999999", b'{"a":1,"a":2}', b'{"query":"\\u0000"}', b'{"query":"\xff"}', b'{"query":"\\ud800"}', deep, b"{" * 5000,
            b'{"model":' + b'"x"' + b',"messages":{"a":1}}', b'{"jsonrpc":"2.0","id":{},"method":"tools/list"}', b'{"query":' + b"9" * 5000 + b"}", b'{"query":"a"}garbage']
    posts = [path for method, path in operations(s) if method == "POST"]
    for path in posts:
        for body in junk:
            head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            got = s.raw(head + body)
            status = int(got.split(b" ", 2)[1])
            # no body at all is no junk where nothing has to be said, nor is a message of MCP whose fault its own reply tells
            assert 400 <= status < 500 or (status == 200 and (path == "/mcp" or not body)) or (status == 503 and not body), (path, body[:60], got[:300])
            assert b'"error"' in got or status == 200, (path, body[:60], got[:300])
    assert s.ask("GET", "/healthz")[0] == 200


def test_paths_stay_inside(w):
    w.config("embed = no\n")
    repo = w.repo()
    (w.root / "outside.txt").write_text("the treasure lies here\n")
    os.symlink(w.root / "outside.txt", repo / "link.txt")
    os.symlink("/etc", repo / "etc")
    w.git(repo, "add", "-A")
    w.git(repo, "commit", "-qm", "links")
    w.run("index", cwd=repo)
    token = w.run("token", "create", "ann").stdout.strip()
    w.run("access", "grant", "ann", "courier")
    w.run("stop")
    s = Server(w)
    for headers in ({}, {"Authorization": "Bearer " + token}):
        for place in ("/etc/passwd", "../../../../etc/passwd", "../outside.txt", "src/../../outside.txt", "link.txt", "etc/passwd", ".git/config", "..", "/", "src/\u2025/x", "%2e%2e/outside.txt"):
            for path, body in (("/v1/read", {"place": place, "repo": ["courier"]}), ("/v1/history", {"place": place, "repo": ["courier"]}),
                               ("/mcp", {"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": "codeask://repo/courier/" + place}})):
                text = json.dumps(s.ask("POST", path, body, headers)[1])
                assert "root:" not in text and "treasure" not in text and "repositoryformatversion" not in text, (path, place, text)
    for raw in ("/v1/../v1/status", "/v1/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/v1/models/../../etc/passwd", "/healthz/..%2f..%2fetc/passwd", "/v1/read%00", "/%0d%0aX-Evil:%201"):
        got = s.raw(f"GET {raw} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        assert b"root:" not in got and b"\r\nX-Evil" not in got, (raw, got[:200])
        shown = b" 200 " in got.split(b"\r\n")[0]  # what stays of a path may be that of the status, or of the page
        assert not shown or raw == "/v1/../v1/status" or b"content-type: text/html" in got, (raw, got[:200])


def test_slow_handshakes(w):
    """Who never ends the handshake of TLS is left, and others are answered meanwhile."""
    s = Server(w, "embed = no\ntls = generated\n" + FAST)
    hello = bytes.fromhex("16030100c8010000c40303")
    held = [socket.create_connection(("127.0.0.1", s.port)) for _ in range(40)]
    for i, c in enumerate(held):
        c.sendall(hello[:i % len(hello)])
        c.settimeout(30)
    began = time.monotonic()
    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", s.port)) as c, blind.wrap_socket(c) as t:
        t.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert b" 200 " in t.recv(1000)
    for c in held:
        try:
            while c.recv(1000):
                pass
        except ConnectionError:
            pass
        c.close()
    print(f"left after {time.monotonic() - began:.1f} s (http_head_seconds = 1)")


if __name__ == "__main__":
    main(globals())
