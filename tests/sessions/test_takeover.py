"""`codeask mcp` and `codeask lsp` outlive their daemon: stopped, killed while it is asked, replaced by another version, or not to be started
at all. The client's next request works, and what the next daemon has to know it is told."""
import json
import os
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lib import BUILD, CODEASK, big_sources, main, wait_for  # noqa: E402
from lsp_client import Lsp  # noqa: E402

INITIALIZE = {"jsonrpc": "2.0", "id": 0, "method": "initialize",
              "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}
VERSIONS = BUILD / "versions"


class Mcp:
    def __init__(self, w, repo, program=CODEASK):
        self.process = subprocess.Popen([program, "mcp"], cwd=repo, env=w.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        w.processes.append(self.process)
        self.send(INITIALIZE)
        assert self.answer()["result"]["protocolVersion"] == "2025-06-18"
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def send(self, message):
        self.process.stdin.write((message if isinstance(message, str) else json.dumps(message)) + "\n")
        self.process.stdin.flush()

    def ask(self, id):
        self.send({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "search", "arguments": {"query": "RetryPolicy"}}})

    def answer(self):
        return json.loads(self.process.stdout.readline())

    def found(self, id):
        got = self.answer()
        assert got["id"] == id and "src/retry.py" in json.dumps(got["result"]), got

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(10) == 0 and self.process.stdout.read() == ""


def frozen(w):
    """A daemon that reads nothing more: what is asked of it now is in flight."""
    pid = w.pid()
    os.kill(pid, signal.SIGSTOP)
    return pid


def test_mcp(w):
    repo = w.repo()
    w.json("index", cwd=repo)
    c = Mcp(w, repo)
    c.ask(1)
    c.found(1)
    assert w.run("stop").returncode == 0
    assert not w.socket_answers(), "nobody is asked: nobody is started"
    c.ask("two")
    c.found("two")
    for id in range(3, 6):
        pid = frozen(w)
        c.ask(id)
        os.kill(pid, signal.SIGKILL)
        c.found(id)
    os.kill(w.pid(), signal.SIGKILL)
    c.send("[1, {\"jsonrpc\": \"2.0\"}")  # none: the daemon that hears it says so, if one is there
    c.ask(7)
    got = c.answer()
    while got.get("id") != 7:
        assert got["error"]["code"] in (-32700, -32600), got
        got = c.answer()
    c.send("x" * (17 << 20))  # too long: the connection to the daemon ends, the client's does not
    assert c.answer()["error"]["code"] == -32600
    c.ask(8)
    c.found(8)
    c.end()


def test_a_request_that_daemons_end_over(w):
    """It is put to two of them, then refused, and the next one is answered."""
    w.config("embed = no\n")
    small, repo = w.repo("small"), w.repo(files=big_sources(400))
    w.json("index", cwd=small)
    c = Mcp(w, small)
    c.send({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search", "arguments": {"query": "step_1_7", "dir": str(repo)}}})
    pid = 0
    for _ in range(2):  # the request waits for the index
        pid = wait_for(lambda: w.socket_answers() and w.pid() != pid and w.pid(), "the next daemon")
        wait_for(lambda: w.json("status")["jobs"], "the job")
        os.kill(pid, signal.SIGKILL)
    got = c.answer()
    assert got["id"] == 1 and got["error"]["code"] == -32603 and "ended" in got["error"]["message"], got
    c.ask(2)
    c.found(2)
    c.end()


def test_no_daemon_can_be_started(w):
    """Each request is told why, and the first one after it is mended is answered."""
    repo = w.repo()
    w.json("index", cwd=repo)
    c = Mcp(w, repo)
    c.ask(1)
    c.found(1)
    assert w.run("stop").returncode == 0
    wait_for(lambda: not w.socket_answers(), "the daemon's end")
    w.config("answer_threads_that_nobody_has = 1\n")
    for id in (2, 3):
        c.ask(id)
        got = c.answer()
        assert got["id"] == id and got["error"]["code"] == -32603 and "answer_threads_that" in json.dumps(got["error"]), got
    w.config("")
    c.ask(4)
    c.found(4)
    c.end()


def test_another_version_takes_over(w):
    repo = w.repo()
    w.json("index", cwd=repo)
    c = Mcp(w, repo)
    c.ask(1)
    c.found(1)
    for version, id in (("2", 2), ("3", 3)):
        r = subprocess.run([VERSIONS / version / "codeask", "repo", "list"], env=w.env, capture_output=True, text=True, timeout=60)
        assert r.returncode == 0, r.stderr
        c.ask(id)
        if version == "2":
            c.found(id)
        else:  # it speaks another protocol than this client can
            got = c.answer()
            assert got["id"] == id and "0.3.0" in got["error"]["message"] and got["error"]["data"]["code"] == "version", got
    subprocess.run([VERSIONS / "3" / "codeask", "stop"], env=w.env, check=True, capture_output=True)
    c.end()


def test_a_newer_carrier_takes_over(w):
    """After an upgrade the editor or the agent may be the first that is started anew; those that run go on."""
    repo = w.repo()
    w.json("index", cwd=repo)
    agent, editor = Mcp(w, repo), start(w, repo)
    editor.begin(repo)
    editor.open(repo / "src/pool.py")
    at = editor.at(repo / "src/pool.py", "send_with_retry(request", 3)
    pid = w.pid()
    new = Mcp(w, repo, VERSIONS / "2" / "codeask")
    new.ask(1)
    new.found(1)
    assert w.pid() != pid
    agent.ask(1)
    agent.found(1)
    assert editor.result("textDocument/definition", at)[0]["uri"].endswith("src/retry.py")
    assert subprocess.run([VERSIONS / "2" / "codeask", "stop"], env=w.env).returncode == 0
    w.json("index", cwd=repo)  # this build's daemon again
    pid = w.pid()
    other = start(w, repo, VERSIONS / "2" / "codeask")
    other.begin(repo)
    other.open(repo / "src/pool.py")
    assert other.result("textDocument/definition", at)[0]["uri"].endswith("src/retry.py")
    assert w.pid() != pid
    new.end()
    agent.end()
    assert other.end() == 0 and editor.end() == 0


def start(w, repo, program=CODEASK):
    c = Lsp([program, "lsp"], repo, w.env)
    w.processes.append(c.process)
    return c


def test_lsp(w):
    """Documents are what they are in the editor, settings and folders what they were; nothing is registered twice."""
    repo, other = w.repo(), w.repo("depot", {"b.py": "class Depot:\n    pass\n"})
    w.json("index", cwd=repo)
    w.json("index", cwd=other)
    pool, retry = repo / "src/pool.py", repo / "src/retry.py"
    c = start(w, repo)
    c.begin(repo, {"general": {"positionEncodings": ["utf-8"]}, "window": {"workDoneProgress": True},
                   "textDocument": {"hover": {"dynamicRegistration": True}, "documentLink": {"dynamicRegistration": True}}})
    c.open(pool)
    c.open(retry)
    c.note("workspace/didChangeWorkspaceFolders", {"event": {"added": [{"uri": other.as_uri(), "name": "depot"}], "removed": []}})
    c.note("workspace/didChangeConfiguration", {"settings": {"codeask": {"references": False}}})
    c.note("textDocument/didChange", {"textDocument": {"uri": retry.as_uri(), "version": 2}, "contentChanges": [
        {"range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}, "text": "é = 1\n"},
        {"range": {"start": {"line": 0, "character": 2}, "end": {"line": 0, "character": 2}}, "text": "\n\ndef quokka(x):\n    return x\n\n\n"}]})
    at = c.at(pool, "send_with_retry(request", 3)
    line = c.result("textDocument/definition", at)[0]["range"]["start"]["line"]
    quokka = {"textDocument": {"uri": retry.as_uri()}, "position": {"line": 2, "character": 6}}

    def same():
        assert c.result("textDocument/definition", at)[0]["range"]["start"]["line"] == line
        assert c.result("textDocument/definition", quokka)[0]["range"]["start"] == {"line": 2, "character": 4}
        assert c.result("textDocument/references", {**at, "context": {"includeDeclaration": True}}) is None, "it is switched off"
    same()
    registered = [m for m in c.heard if m.get("method") == "client/registerCapability"]
    assert len(registered) == 1, registered
    assert w.run("stop").returncode == 0
    same()
    for _ in range(3):
        pid = frozen(w)
        asked = c.ask("textDocument/definition", quokka)
        os.kill(pid, signal.SIGKILL)
        assert c.answer(asked)["result"][0]["uri"] == retry.as_uri()
        same()
    c.note("textDocument/didChange", {"textDocument": {"uri": retry.as_uri(), "version": 3}, "contentChanges": [
        {"range": {"start": {"line": 2, "character": 4}, "end": {"line": 2, "character": 10}}, "text": "numbat"}]})
    os.kill(w.pid(), signal.SIGKILL)
    names = [s["name"] for s in c.result("textDocument/documentSymbol", {"textDocument": {"uri": retry.as_uri()}})]
    assert "numbat" in names and "quokka" not in names, names
    pid = frozen(w)
    asked = c.ask("codeask/ask", {"query": "where is the retry policy?", "partialResultToken": 1})
    os.kill(pid, signal.SIGKILL)
    got = c.answer(asked)
    assert got["error"]["code"] == -32803 and "ended" in got["error"]["message"], got
    same()
    registered = [m for m in c.heard if m.get("method") == "client/registerCapability"]
    assert len(registered) == 1, registered
    kinds = [m["params"]["value"]["kind"] for m in c.heard if m.get("method") == "$/progress"]
    assert kinds.count("begin") == kinds.count("end"), kinds
    assert c.end() == 0


def test_the_editor_ends_without_a_daemon(w):
    """With the protocol's status, and without starting one for it."""
    repo = w.repo()
    for shut in (True, False):
        c = start(w, repo)
        c.begin(repo)
        c.result("textDocument/documentSymbol", {"textDocument": {"uri": (repo / "src/pool.py").as_uri()}})
        if shut:
            c.result("shutdown")
        assert w.run("stop").returncode == 0
        wait_for(lambda: not w.socket_answers(), "the daemon's end")
        c.note("exit")
        assert c.process.wait(10) == (0 if shut else 1)
        assert not w.socket_answers()


if __name__ == "__main__":
    main(globals())
