"""Two builds that meet."""
import json
import os
import socket
import threading

from lib import Rpc, main


def fake_daemon(w, hello, on_line):
    """Something that listens in the daemon's place."""
    w.home.mkdir(mode=0o700, exist_ok=True)
    s = socket.socket(socket.AF_UNIX)
    s.bind(w.socket)
    s.listen(8)

    def serve():
        while True:
            try:
                c, _ = s.accept()
            except OSError:
                return
            c.sendall(json.dumps(hello).encode() + b"\n")
            f = c.makefile("rb")
            for line in f:
                if on_line(c, json.loads(line), s):
                    break
            f.close()
            c.close()

    threading.Thread(target=serve, daemon=True).start()
    return s


def test_replaces_an_older_daemon(w):
    asked = []

    def on_line(c, m, s):
        asked.append(m.get("method", "hello"))
        if m.get("method") == "stop":
            s.close()
            os.unlink(w.socket)
            c.sendall(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": {"pid": 1}}).encode() + b"\n")
            return True

    fake_daemon(w, {"codeask": 1, "build": "0.0.1+5", "pid": 99999999, "autostarted": True}, on_line)
    assert w.run("repo", "list").returncode == 0
    assert asked == ["hello", "stop"], asked
    with Rpc(w.socket) as c:
        assert c.hello["build"] != "0.0.1+5" and c.hello["autostarted"] is True


def test_speaks_to_an_older_daemon_of_systemd(w):
    def on_line(c, m, s):
        if m.get("method") == "repo.list":
            c.sendall(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": {"repos": []}}).encode() + b"\n")

    s = fake_daemon(w, {"codeask": 1, "build": "0.0.1+5", "pid": 1, "autostarted": False}, on_line)
    assert w.json("repo", "list") == {"repos": []}
    s.close()


def test_names_both_versions(w):
    s = fake_daemon(w, {"codeask": 7, "build": "9.0.0+5", "pid": 77, "autostarted": False}, lambda c, m, s: False)
    o = w.json("repo", "list", code=2)
    assert o["error"]["code"] == "version" and "9.0.0+5" in o["error"]["message"] and "0.1.0" in o["error"]["message"], o
    s.close()


if __name__ == "__main__":
    main(globals())
