"""`codeask mcp` with the protocol's own SDK as the client (2026-07-28 without a handshake, 2025-11-25 with one), and by hand where a
client would not do such things."""
import asyncio
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import peers  # noqa: E402
from lib import CODEASK, main, write  # noqa: E402

INITIALIZE = {"jsonrpc": "2.0", "id": 0, "method": "initialize",
              "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "hand", "version": "1"}}}


def with_client(w, cwd, use, **how):
    from mcp import Client, StdioServerParameters

    async def run():
        server = StdioServerParameters(command=CODEASK, args=["mcp"], env={k: str(v) for k, v in w.env.items()}, cwd=str(cwd))
        async with Client(server, read_timeout_seconds=60, **how) as client:
            return await use(client)
    return asyncio.run(run())


def text_of(result):
    return "".join(c.text for c in result.content)


async def until(call, good):
    """The first result that is good, or the last one of five seconds."""
    for _ in range(50):
        result = await call()
        if good(result):
            break
        await asyncio.sleep(0.1)
    return result


async def work(client, repo):
    tools = {t.name: t for t in (await client.list_tools()).tools}
    assert set(tools) == {"search", "ask", "symbol", "read", "history", "status"}, tools.keys()
    assert tools["search"].input_schema["required"] == ["query"], tools["search"]

    told = []

    async def progress(done, total, message):
        told.append(message)
    found = await client.call_tool("search", {"query": "how long to wait before a request is sent again", "limit": 3}, progress_callback=progress)
    assert not found.is_error and "src/retry.py" in text_of(found), found
    assert found.structured_content["results"][0]["repo"] == "courier", found.structured_content

    asked = await client.call_tool("ask", {"query": "where is the retry policy?"})
    assert "RetryPolicy" in text_of(asked) and "[1] `src/retry.py:" in text_of(asked), text_of(asked)

    name = await client.call_tool("symbol", {"name": "send_with_retry", "callers": True})
    assert "`src/pool.py:" in text_of(name), text_of(name)

    lines = await client.call_tool("read", {"place": "src/retry.py:5-6"})
    assert lines.structured_content["text"].startswith("class RetryPolicy:\n"), lines.structured_content
    assert lines.structured_content["lines"] == 24, lines.structured_content
    whole = await client.call_tool("read", {"place": "src"})
    assert whole.structured_content["entries"] == ["pool.py", "retry.py"], whole.structured_content

    write(repo, {"src/retry.py": "def quokka_backoff():\n    return 7\n"})  # uncommitted
    fresh = await until(lambda: client.call_tool("search", {"query": "quokka_backoff"}), lambda r: "quokka_backoff():" in text_of(r))
    assert "`src/retry.py:1-2` (courier, uncommitted)" in text_of(fresh), text_of(fresh)

    why = await client.call_tool("history", {"place": "lib/tokens.c:4"})
    assert ": first\n" in text_of(why), text_of(why)

    wrong = await client.call_tool("read", {"place": "src/none.py"})
    assert wrong.is_error and "courier has no file src/none.py" in text_of(wrong), wrong
    state = await client.call_tool("status", {})
    assert "courier at" in text_of(state), text_of(state)

    resources = (await client.list_resources()).resources
    assert [str(r.uri) for r in resources] == ["codeask://repo/courier"], resources
    tour = await client.read_resource("codeask://repo/courier")
    assert json.loads(tour.contents[0].text)["repo"] == "courier", tour
    source = await client.read_resource("codeask://repo/courier/lib/tokens.c")
    assert source.contents[0].text.startswith("#include <string.h>\n"), source
    return client.protocol_version


def test_sdk_without_a_handshake(w):
    repo = w.repo()
    assert with_client(w, repo, lambda c: work(c, repo)) == "2026-07-28"


def test_sdk_with_a_handshake(w):
    repo = w.repo()
    assert with_client(w, repo, lambda c: work(c, repo), mode="legacy") == "2025-11-25"


def test_roots_say_where(w):
    """Started somewhere else, as desktop clients do."""
    repo = w.repo()

    async def roots(context):
        from mcp import types
        return types.ListRootsResult(roots=[types.Root(uri=f"file://{repo}")])

    async def use(client):  # the answer to roots/list may come after the first call
        return text_of(await until(lambda: client.call_tool("search", {"query": "RetryPolicy"}), lambda r: not r.is_error))
    assert "src/retry.py" in with_client(w, w.root, use, mode="legacy", list_roots_callback=roots)


def by_hand(w, repo, lines, wanted):
    """Sends lines, reads until so many replies are there."""
    p = subprocess.Popen([CODEASK, "mcp", "-C", str(repo)], env=w.env, cwd=w.root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    w.processes.append(p)
    for line in lines:
        p.stdin.write((line if isinstance(line, str) else json.dumps(line)) + "\n")
    p.stdin.flush()
    got = [json.loads(p.stdout.readline()) for _ in range(wanted)]
    p.stdin.close()
    assert p.wait(10) == 0 and p.stdout.read() == ""
    return got


def test_bad_input(w):
    repo = w.repo()
    w.json("index", cwd=repo)
    got = by_hand(w, repo, [
        "{", "7", '"x"', "[]", json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}), INITIALIZE,
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "search", "arguments": {"query": "x", "limit": "many"}}},
        {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "search", "arguments": {"quarry": "x"}}},
        {"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {"name": "read", "arguments": {"place": "../../etc/passwd"}}},
        {"jsonrpc": "2.0", "id": 5, "method": "resources/read", "params": {"uri": "codeask://repo/courier/..%2F..%2Fetc%2Fpasswd"}},
        {"jsonrpc": "2.0", "id": 6, "method": "ping"},
    ], 11)
    by_id = {m["id"]: m for m in got if m.get("id") is not None}
    assert sorted(m["error"]["code"] for m in got if m.get("id") is None) == [-32700, -32700, -32700, -32600], got
    assert by_id[1]["error"]["code"] == -32600 and by_id[0]["result"]["protocolVersion"] == "2025-06-18"
    assert by_id[2]["result"]["isError"] and "limit" in by_id[2]["result"]["content"][0]["text"], by_id[2]
    assert by_id[3]["result"]["isError"] and "quarry" in by_id[3]["result"]["content"][0]["text"], by_id[3]
    assert by_id[4]["result"]["isError"] and "root:" not in json.dumps(by_id[4]), by_id[4]
    assert by_id[5]["error"]["code"] == -32002, by_id[5]
    assert by_id[6]["result"] == {}


def test_a_client_that_never_reads_stalls_nobody(w):
    repo = w.repo()
    w.json("index", cwd=repo)
    p = subprocess.Popen([CODEASK, "mcp"], env=w.env, cwd=repo, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    w.processes.append(p)
    os.set_blocking(p.stdin.fileno(), False)
    lines = json.dumps(INITIALIZE).encode() + b"\n" + b"".join(
        json.dumps({"jsonrpc": "2.0", "id": i, "method": "tools/list"}).encode() + b"\n" for i in range(1, 60000))
    sent = 0
    for n in range(20):
        try:
            sent += os.write(p.stdin.fileno(), lines[sent:sent + 65536])
        except BlockingIOError:
            pass
        r = w.run("search", "RetryPolicy", cwd=repo, timeout=20)
        assert r.returncode == 0, r.stderr
    assert sent < len(lines), "it reads what it cannot answer"
    p.kill()


def test_secrets_are_masked(w):
    key = "AKIA" + "IOSFODNN7QWERTYU"
    repo = w.repo(files={"conf.py": f'AWS_KEY = "{key}"\nREGION = "eu"\n'})
    w.json("index", cwd=repo)
    got = by_hand(w, repo, [INITIALIZE, {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "read", "arguments": {"place": "conf.py"}}},
                            {"jsonrpc": "2.0", "id": 2, "method": "resources/read", "params": {"uri": "codeask://repo/courier/conf.py"}}], 3)
    assert "REGION" in json.dumps(got) and key not in json.dumps(got), got


if __name__ == "__main__":
    if sys.prefix == sys.base_prefix:
        why = peers.install(HERE / "peers" / "mcp.txt")
        if why:
            print(f"no client to test with: {why}")
            sys.exit(77)
        os.execv(str(peers.PYTHON), [str(peers.PYTHON), *sys.argv])
    main(globals())
