"""Who asks, told by a reverse proxy: believed of its address and, on this machine, its user alone; of users that the server knows; by default of nobody."""
import json
import os
import subprocess
import sys

from lib import CODEASK, DAEMON, main, write
from test_http import Server

HEADER = "proxy-user-header = X-Remote-User\n"
ASK = r"""
import encodings.idna, http.client, json, os, sys
uid, port, path, headers, body = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4]), sys.argv[5]
if uid != os.getuid():
    os.setuid(uid)
c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
c.request("POST", path, body, headers)
r = c.getresponse()
print(json.dumps([r.status, json.loads(r.read())]))
"""


def ask(s, headers, path="/v1/self", body={}, uid=os.getuid()):
    """(status, answer) of a request that a process of that user sends"""
    r = subprocess.run([sys.executable, "-c", ASK, str(uid), str(s.port), path, json.dumps(headers), json.dumps(body)], capture_output=True, text=True, timeout=60)
    assert r.returncode == 0, r.stderr
    return json.loads(r.stdout)


def prepare(w):
    repo, vault = w.repo(), w.repo("vault", {"v.py": "def vault_door():\n    return 1\n"})
    for r in (repo, vault):
        assert w.run("index", cwd=r).returncode == 0
    assert w.run("access", "grant", "ada", "courier").returncode == 0
    token = w.run("token", "create", "bob").stdout.strip()
    w.run("stop")
    return token


def test_a_proxy_names_the_user(w):
    token = prepare(w)
    me = os.getuid()
    s = Server(w, f"embed = no\nproxy-addresses = 127.0.0.1@{me}\n{HEADER}")
    status, got = ask(s, {"X-Remote-User": "ada"})
    assert status == 200 and got["user"] == "ada", got
    status, got = ask(s, {"x-remote-user": "ada"}, "/v1/search", {"query": "vault door"})
    assert status == 200 and {r["repo"] for r in got["results"]} <= {"courier"}, got
    assert ask(s, {"X-Remote-User": "ada"}, "/v1/search", {"query": "vault door", "repo": ["vault"]})[0] == 404
    for name in ("nobody-here", "", "../ada", "ada\tx", "ADA", "a" * 200):
        status, got = ask(s, {"X-Remote-User": name})
        assert status == 401, (name, got)
    # without it the proxy is nobody, though its socket is the daemon's own user's; a token counts for itself
    assert ask(s, {})[0] == 401
    assert ask(s, {"X-Forwarded-User": "ada"})[0] == 401
    assert ask(s, {"X-Remote-User": "ada", "Authorization": "Bearer " + token})[1]["user"] == "bob"
    assert ask(s, {"X-Remote-User": "ada", "Authorization": "Bearer codeask_x"})[0] == 401
    assert ask(s, {"X-Remote-User": "ada", "Authorization": "Basic eDp5"})[1]["user"] == "ada"
    assert ask(s, {"X-Remote-User": "ada"}, "/v1/token.create", {"name": "eve"})[0] == 403, "no administrator comes so"
    assert ask(s, {"X-Remote-User": "ada", "Origin": "https://127.0.0.1:%d" % s.port, "Host": "127.0.0.1:%d" % s.port})[0] == 200
    assert ask(s, {"X-Remote-User": "ada", "Origin": "https://evil.example"})[0] == 403
    # a user that is removed is gone at once
    assert w.run("user", "remove", "ada").returncode == 0
    assert ask(s, {"X-Remote-User": "ada"})[0] == 401


def test_nobody_else_is_believed(w):
    prepare(w)
    s = Server(w)
    assert ask(s, {"X-Remote-User": "ada", "X-Forwarded-For": "10.0.0.1"})[0] == 401, "by default nobody is"
    s.p.kill()
    s.p.wait()
    s = Server(w, f"embed = no\nproxy-addresses = 10.1.2.3, 192.168.7.0/28\n{HEADER}")
    assert ask(s, {"X-Remote-User": "ada", "X-Forwarded-For": "10.1.2.3"})[0] == 401, "another address"
    if os.getuid():
        return
    s.p.kill()
    s.p.wait()
    s = Server(w, f"embed = no\nproxy-addresses = 127.0.0.1@65534\n{HEADER}")
    assert ask(s, {"X-Remote-User": "ada"}, uid=65534)[1]["user"] == "ada"
    assert ask(s, {"X-Remote-User": "ada"}, uid=65533)[0] == 401, "another user of this machine"
    assert ask(s, {"X-Remote-User": "ada", "X-Forwarded-For": "10.1.2.3"})[0] == 401


def test_settings(w):
    for text, words in ((f"proxy-addresses = 127.0.0.1\n{HEADER}", "any process"), (f"proxy-addresses = ::1\n{HEADER}", "any process"), (f"proxy-addresses = 10.0.0.0/4\n{HEADER}", "no network"),
                        (f"proxy-addresses = proxy.example.org\n{HEADER}", "no address"), (f"proxy-addresses = 10.0.0.1@root\n{HEADER}", "another machine"),
                        (f"proxy-addresses = 127.0.0.1@no-such-user-here\n{HEADER}", "no such user"), ("proxy-addresses = 10.0.0.1\n", "together"), (HEADER, "together"),
                        ("proxy-addresses = 10.0.0.1\nproxy-user-header = Authorization\n", "another meaning"), ("proxy-addresses = 10.0.0.1\nproxy-user-header = a b\n", "no name"),
                        (f"proxy-addresses = 10.0.0.1/33\n{HEADER}", "no network"), (f"proxy-addresses = 10.0.0.1/x\n{HEADER}", "no network")):
        w.config("embed = no\n" + text)
        r = subprocess.run([CODEASK, "serve", "--listen", "127.0.0.1:0"], env=w.env, capture_output=True, text=True, timeout=60)
        assert r.returncode == 2 and words in r.stderr, (text, r)


if __name__ == "__main__":
    main(globals())
