"""A client of `codeask lsp` in a few lines, for the session tests and the benchmark."""
import json
import select
import subprocess
import time


class Lsp:
    """One started server. Requests wait for their answer; what else comes meanwhile is kept in `heard`."""

    def __init__(self, command, cwd, env):
        self.process = subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.number, self.heard, self.held = 0, [], b""

    def write(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, message):
        body = json.dumps(message, ensure_ascii=False).encode()
        self.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def note(self, method, params=None):
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def receive(self, seconds=30):
        """the next message; None at the end of the stream or of the time"""
        until = time.monotonic() + seconds
        while True:
            head, found, rest = self.held.partition(b"\r\n\r\n")
            if found:
                size = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
                if len(rest) >= size:
                    self.held = rest[size:]
                    return json.loads(rest[:size])
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                return None
            data = self.process.stdout.read1(65536)
            if not data:
                return None
            self.held += data

    def ask(self, method, params=None):
        self.number += 1
        self.send({"jsonrpc": "2.0", "id": self.number, "method": method, "params": params})
        return self.number

    def answer(self, number):
        early = [m for m in self.heard if m.get("id") == number and "method" not in m]
        if early:  # it came before another one that was waited for
            self.heard.remove(early[0])
            return early[0]
        while True:
            message = self.receive()
            assert message is not None, f"no answer to {number}; heard {self.heard[-3:]}"
            if message.get("id") == number and "method" not in message:
                return message
            self.heard.append(message)
            if "id" in message and "method" in message:
                self.send({"jsonrpc": "2.0", "id": message["id"], "result": self.reply(message)})

    def reply(self, message):
        """to a request of the server's"""
        if message["method"] == "window/showDocument":
            return {"success": True}
        return [None] if message["method"] == "workspace/configuration" else None

    def call(self, method, params=None):
        return self.answer(self.ask(method, params))

    def result(self, method, params=None):
        message = self.call(method, params)
        assert "result" in message, message
        return message["result"]

    def begin(self, root, capabilities=None, **more):
        told = self.result("initialize", {"processId": None, "rootUri": root.as_uri(), "capabilities": capabilities or {},
                                          "workspaceFolders": [{"uri": root.as_uri(), "name": root.name}], **more})
        self.note("initialized", {})
        return told["capabilities"]

    def open(self, path, text=None):
        self.note("textDocument/didOpen", {"textDocument": {"uri": path.as_uri(), "languageId": "x", "version": 1,
                                                            "text": path.read_text() if text is None else text}})

    def at(self, path, needle, within=0, **more):
        """params about where the text stands in the file"""
        text = path.read_text()
        index = text.index(needle) + within
        line = text.count("\n", 0, index)
        column = index - (text.rfind("\n", 0, index) + 1)
        return {"textDocument": {"uri": path.as_uri()}, "position": {"line": line, "character": column}, **more}

    def end(self):
        """shutdown and exit; the exit status"""
        self.result("shutdown")
        self.note("exit")
        self.process.stdin.close()
        return self.process.wait(10)
