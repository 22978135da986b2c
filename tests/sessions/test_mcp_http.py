"""The Model Context Protocol over streamable HTTP: by hand, and with the protocol's own SDK where it can be installed (2026-07-28 without a
handshake, 2025-11-25 with one); as the owner and with tokens."""
import asyncio
import importlib.util
import json
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import peers  # noqa: E402
from lib import main  # noqa: E402
from test_http import Server  # noqa: E402
from test_people import SECRET  # noqa: E402

BOTH = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
META = "io.modelcontextprotocol/"
TOOLS = {"search", "ask", "symbol", "read", "history", "status"}


def message(method, id=None, **params):
    return {"jsonrpc": "2.0", **({"id": id} if id is not None else {}), "method": method, **({"params": params} if params else {})}


def initialize(version="2025-11-25"):
    return message("initialize", 0, protocolVersion=version, capabilities={}, clientInfo={"name": "hand", "version": "1"})


def served(w, *grants):
    w.config("embed = no\n")
    for repo in (w.repo(), w.repo("vault", SECRET)):
        assert w.run("index", cwd=repo).returncode == 0
    token = w.run("token", "create", "alice").stdout.strip()
    for repo in grants:
        assert w.run("access", "grant", "alice", repo).returncode == 0
    w.run("stop")
    return Server(w), token


def test_by_hand(w):
    s, token = served(w, "courier")
    bearer = {**BOTH, "Authorization": "Bearer " + token}
    for version in ("2025-03-26", "2025-06-18", "2025-11-25"):
        head = {**bearer, "MCP-Protocol-Version": version}
        status, got, headers = s.ask("POST", "/mcp", initialize(version), bearer)
        assert status == 200 and got["result"]["protocolVersion"] == version and headers["content-type"] == "application/json" and "mcp-session-id" not in headers
        status, text, _ = s.ask("POST", "/mcp", message("notifications/initialized"), head)
        assert (status, text) == (202, "")
        status, got, _ = s.ask("POST", "/mcp", message("tools/list", "a"), head)
        assert status == 200 and got["id"] == "a" and {t["name"] for t in got["result"]["tools"]} == TOOLS
        status, got, _ = s.ask("POST", "/mcp", message("tools/call", 7, name="search", arguments={"query": "exponential backoff"}), head)
        assert status == 200 and got["id"] == 7 and "src/retry.py" in got["result"]["content"][0]["text"]
        assert ("structuredContent" in got["result"]) == (version != "2025-03-26")
    status, got, _ = s.ask("POST", "/mcp", message("tools/call", 1, name="search", arguments={"query": "retry"}), bearer)
    assert status == 200 and "structuredContent" not in got["result"], "a client that names no revision speaks the first"
    two = [message("ping", 1), message("tools/call", 2, name="status", arguments={})]
    assert {m["id"] for m in s.ask("POST", "/mcp", two, {**bearer, "Accept": "application/json"})[1]} == {1, 2}
    assert s.ask("POST", "/mcp", two, {**bearer, "MCP-Protocol-Version": "2025-11-25"})[1]["error"]["code"] == -32600
    modern = {"_meta": {META + "protocolVersion": "2026-07-28", META + "clientCapabilities": {}}}
    new = {**bearer, "MCP-Protocol-Version": "2026-07-28"}
    status, got, _ = s.ask("POST", "/mcp", message("server/discover", 1, **modern), {**new, "Mcp-Method": "server/discover"})
    assert status == 200 and "2026-07-28" in got["result"]["supportedVersions"]
    status, got, _ = s.ask("POST", "/mcp", message("tools/call", 2, name="symbol", arguments={"name": "RetryPolicy"}, **modern), new)
    assert status == 200 and got["result"]["resultType"] == "complete" and got["result"]["structuredContent"]["definitions"]
    for body, headers, status, code in [(message("nothing", 1, **modern), new, 404, -32601), (message("tools/call", 1, name="nothing", **modern), new, 400, -32602),
                                        (message("tools/list", 1, **modern), {**new, "Mcp-Method": "tools/call"}, 400, -32020),
                                        (message("tools/list", 1, **modern), {**new, "MCP-Protocol-Version": "2025-11-25"}, 400, -32020),
                                        (message("tools/call", 1, name="read", **modern), {**new, "Mcp-Name": "search"}, 400, -32020),
                                        (message("tools/list", 1), {**bearer, "MCP-Protocol-Version": "1999-01-01"}, 400, -32600),
                                        (message("nothing", 1), bearer, 200, -32601), ("text", bearer, 400, -32700), (3, bearer, 400, -32700)]:
        got = s.ask("POST", "/mcp", body, headers)
        assert got[0] == status and got[1]["error"]["code"] == code, (body, got)
    raw = s.raw(b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nConnection: close\r\n\r\n{\"a\":")
    assert b" 400 " in raw and b"-32700" in raw, raw
    assert s.ask("GET", "/mcp", headers=bearer)[0] == 405 and s.ask("DELETE", "/mcp", headers=bearer)[0] == 405
    for headers, status in (({**BOTH, "Authorization": "Bearer codeask_x"}, 401), ({**BOTH, "Origin": "http://evil.example"}, 403), ({**BOTH, "Host": "evil.example"}, 401)):
        assert s.ask("POST", "/mcp", message("tools/list", 1), headers)[0] == status, headers


def test_what_may_not_be_read(w):
    s, token = served(w, "courier")
    bearer = {**BOTH, "Authorization": "Bearer " + token, "MCP-Protocol-Version": "2025-11-25"}

    def ask(method, **params):
        return json.dumps(s.ask("POST", "/mcp", message(method, 1, **params), bearer)[1])
    for name, arguments in [("search", {"query": "open the door with backoff"}), ("search", {"query": "door", "all_repos": True}), ("ask", {"query": "how is the door opened?"}),
                            ("symbol", {"name": "open_vault_door"}), ("read", {"place": "src/vault.py", "repo": ["vault"]}), ("read", {"place": "src/vault.py", "dir": str(w.root / "vault")}),
                            ("history", {"place": "src/vault.py", "repo": ["vault"]}), ("status", {})]:
        text = ask("tools/call", name=name, arguments=arguments)
        assert "Opens the" not in text and "vault exponential" not in text and (name in ("read", "history", "symbol") or "vault" not in text), (name, text)
    assert "vault" not in ask("resources/list")
    for uri in ("codeask://repo/vault", "codeask://repo/vault/src/vault.py", "codeask://repo/vault/../courier/x", "codeask://repo/%2e%2e/etc"):
        assert '"error"' in ask("resources/read", uri=uri), uri
    batch = [message("$/dir", dir=str(w.root / "vault"), given=True), message("tools/call", 1, name="search", arguments={"query": "door"})]
    assert "Opens the" not in json.dumps(s.ask("POST", "/mcp", batch, {k: v for k, v in bearer.items() if k != "MCP-Protocol-Version"})[1])


def test_progress_comes_as_events(w):
    w.config("embed = no\n")
    repo = w.repo()
    s = Server(w)
    body = message("tools/call", 1, name="search", arguments={"query": "backoff", "dir": str(repo)}, _meta={"progressToken": "p"})
    status, text, headers = s.ask("POST", "/mcp", body, BOTH)  # indexed first: that takes its time
    if headers["content-type"] == "text/event-stream":
        got = [json.loads(part.split("data: ", 1)[1]) for part in text.strip().split("\n\n")]
        assert all(m["method"] == "notifications/progress" and m["params"]["progressToken"] == "p" for m in got[:-1]), got
        text = got[-1]
    assert status == 200 and text["id"] == 1 and "src/retry.py" in json.dumps(text), text
    status, got, headers = s.ask("POST", "/mcp", body, {"Accept": "application/json"})
    assert status == 200 and headers["content-type"] == "application/json" and got["id"] == 1


async def use(client):
    assert {t.name for t in (await client.list_tools()).tools} == TOOLS
    found = await client.call_tool("search", {"query": "how long to wait before a request is sent again"})
    assert not found.is_error and {r["repo"] for r in found.structured_content["results"]} == {"courier"}, found
    name = await client.call_tool("symbol", {"name": "send_with_retry", "callers": True})
    assert "`src/pool.py:" in "".join(c.text for c in name.content), name
    lines = await client.call_tool("read", {"place": "src/retry.py:5-6", "repo": ["courier"]})
    assert lines.structured_content["text"].startswith("class RetryPolicy:\n"), lines
    wrong = await client.call_tool("read", {"place": "src/vault.py", "repo": ["vault"]})
    assert wrong.is_error, wrong
    assert [str(r.uri) for r in (await client.list_resources()).resources] == ["codeask://repo/courier"]
    source = await client.read_resource("codeask://repo/courier/lib/tokens.c")
    assert source.contents[0].text.startswith("#include <string.h>\n"), source
    return client.protocol_version


def with_client(s, token, **how):
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    async def run():
        async with httpx2.AsyncClient(headers={"Authorization": "Bearer " + token}, timeout=60) as http:
            async with Client(streamable_http_client(f"http://127.0.0.1:{s.port}/mcp", http_client=http), **how) as client:
                return await use(client)
    return asyncio.run(run())


def test_sdk(w):
    s, token = served(w, "courier")
    assert with_client(s, token) == "2026-07-28"
    assert with_client(s, token, mode="legacy") == "2025-11-25"


if __name__ == "__main__":
    if sys.prefix == sys.base_prefix:
        why = peers.install(HERE / "peers" / "mcp.txt")
        if not why:
            os.execv(str(peers.PYTHON), [str(peers.PYTHON), *sys.argv])
        print(f"without the SDK: {why}")
    main({k: v for k, v in globals().items() if importlib.util.find_spec("mcp") or not k.startswith("test_sdk")})
