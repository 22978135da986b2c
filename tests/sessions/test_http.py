"""The HTTP server with real clients: http.client, raw sockets and curl; and with those that are slow, huge, broken or not who they say."""
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse
import warnings

from lib import CODEASK, DAEMON, Rpc, Told, big_sources, main, wait_for

FAST = "http_head_seconds = 1\nhttp_body_seconds = 2\nhttp_idle_seconds = 2\nhttp_stall_seconds = 2\n"


class Server:
    """`codeask serve` on a free port of 127.0.0.1."""

    def __init__(self, w, config="embed = no\n", *args):
        w.config(config)
        self.p = w.popen(CODEASK, "serve", "--listen", "127.0.0.1:0", *args)
        self.said, self.later = self.p.stderr.readline(), []
        found = re.search(r"listens on https?://127\.0\.0\.1:(\d+)", self.said)
        assert found, self.said + self.p.stderr.read()
        self.port = int(found[1])
        threading.Thread(target=lambda: self.later.extend(self.p.stderr), daemon=True).start()

    def ask(self, method, path, body=None, headers={}):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        c.request(method, path, json.dumps(body) if body is not None else None, headers)
        r = c.getresponse()
        text = r.read()
        c.close()
        return r.status, json.loads(text) if r.headers["content-type"] == "application/json" else text.decode(), r.headers

    def raw(self, data, timeout=20):
        """What comes back for some bytes, until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port)) as s:
            s.settimeout(timeout)
            out = b""
            try:
                s.sendall(data)
                while got := s.recv(65536):
                    out += got
            except ConnectionError:
                pass
            return out


def events(text):
    """(name, object) of server-sent events."""
    return [(re.search(r"^event: (.*)$", part, re.M)[1], json.loads(re.search(r"^data: (.*)$", part, re.M)[1])) for part in text.strip().split("\n\n")]


def steady(answer):
    """Without what differs from one asking to the next."""
    return {k: v for k, v in answer.items() if k not in ("took_ms", "timings", "freshness", "id", "conversation")}


def test_same_objects_as_the_socket(w):
    repo = w.repo()
    s = Server(w)
    here = w.json("search", "exponential backoff", cwd=repo)
    status, there, headers = s.ask("POST", "/v1/search", {"query": "exponential backoff", "dir": str(repo)})
    assert status == 200 and steady(there) == steady(here) and there["results"][0]["path"] == "src/retry.py"
    assert headers["cache-control"] == "no-store" and headers["x-content-type-options"] == "nosniff"
    assert there["freshness"].keys() == here["freshness"].keys()
    status, got, _ = s.ask("GET", "/v1/search?query=exponential+backoff&repo=courier&limit=1&unique_files=true")
    assert status == 200 and len(got["results"]) == 1 and got["results"][0] == here["results"][0]
    status, answer, _ = s.ask("POST", "/v1/ask", {"query": "how long is the wait before a retry?", "repo": ["courier"]})
    assert status == 200 and answer["mode"] == "extractive" and answer["citations"][0]["path"] == "src/retry.py", answer
    status, got, _ = s.ask("GET", "/v1/status")
    assert status == 200 and got["repos"][0]["repo"] == "courier" and got["pid"] == s.p.pid
    assert s.ask("GET", "/v1/repo.list")[1]["repos"][0]["repo"] == "courier"
    status, got, _ = s.ask("GET", "/v1/symbol?name=RetryPolicy&repo=courier")
    assert status == 200 and got["definitions"][0]["path"] == "src/retry.py"
    status, got, _ = s.ask("GET", "/v1/read?place=src/retry.py:5&repo=courier")
    assert status == 200 and "class RetryPolicy" in got["text"]


def test_streams(w):
    repo = w.repo()
    told = Told(w, "say The wait is exponential [1].\n")
    s = Server(w, (w.home / "config").read_text())
    status, text, headers = s.ask("POST", "/v1/ask", {"query": "how long is the wait before a retry?", "dir": str(repo), "stream": True})
    assert status == 200 and headers["content-type"] == "text/event-stream" and headers["transfer-encoding"] == "chunked"
    got = events(text)
    assert [name for name, _ in got].count("done") == 1 and got[-1][0] == "done" and got[-1][1]["mode"] == "generated", got
    written = "".join(part["delta"] for name, part in got if name == "part" and "delta" in part)
    assert "exponential" in written and any("extractive" in part for name, part in got if name == "part")
    status, text, _ = s.ask("GET", "/v1/search?query=+&repo=courier", headers={"Accept": "text/event-stream"})
    assert status == 200 and events(text)[-1][0] == "error" and events(text)[-1][1]["code"] == "usage"
    old = s.raw(b"GET /v1/search?query=retry&repo=courier&stream=true HTTP/1.0\r\nHost: localhost\r\n\r\n")
    head, body = old.split(b"\r\n\r\n", 1)
    assert b"chunked" not in head and events(body.decode())[-1][0] == "done", old


def test_documents_itself(w):
    s = Server(w)
    status, doc, _ = s.ask("GET", "/openapi.json")
    assert status == 200 and doc["openapi"].startswith("3.1") and {"/v1/ask", "/v1/search", "/v1/status", "/metrics", "/healthz"} <= doc["paths"].keys()
    assert not {"/v1/stop", "/v1/backup", "/v1/repo.add", "/v1/index"} & doc["paths"].keys()
    flags = doc["paths"]["/v1/search"]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert {"query", "repo", "lang", "regex", "limit", "stream"} <= flags.keys() and "json" not in flags
    assert s.ask("GET", "/healthz")[:2] == (200, "ok\n") and s.ask("GET", "/readyz")[:2] == (200, "ready\n")
    s.ask("GET", "/v1/status")
    status, text, headers = s.ask("GET", "/metrics")
    assert status == 200 and headers["content-type"].startswith("text/plain; version=0.0.4")
    for line in text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) codeask_\w+ .+|codeask_\w+(\{\w+="[\w ]+"(,\w+="[\w ]+")*\})? [0-9.e+-]+', line), line
    assert 'codeask_requests_total{method="status",outcome="done"} 1' in text
    assert re.search(r"^codeask_write_transactions_total [1-9]", text, re.M) and "\ncodeask_write_transactions_slow_total " in text


def test_says_what_is_wrong(w):
    s = Server(w)
    for method, path, body, status, code in [("GET", "/index.html", None, 404, "not_found"), ("GET", "/v1/nothing", None, 404, "not_found"),
                                             ("POST", "/v1/stop", {}, 404, "not_found"), ("POST", "/v1/repo.add", {"dir": "/"}, 404, "not_found"),
                                             ("POST", "/v1/backup", {"to": "/tmp/x"}, 404, "not_found"), ("DELETE", "/v1/status", None, 405, "usage"),
                                             ("POST", "/v1/search", {"query": "a", "repo": ["none"]}, 404, "not_found"),
                                             ("POST", "/v1/search", {"query": "a", "languages": "c"}, 400, "usage"),
                                             ("POST", "/v1/search", [], 400, "usage"), ("POST", "/v1/search", {"stream": "x"}, 400, "usage"),
                                             ("GET", "/v1/search?query=%ff&repo=none", None, 400, "usage"),
                                             ("GET", "/v1/../../etc/passwd", None, 404, "not_found"), ("GET", "/v1/%2e%2e/nothing", None, 404, "not_found")]:
        got = s.ask(method, path, body)
        assert got[0] == status and got[1]["error"]["code"] == code and got[1]["error"]["message"], (method, path, got)
    assert s.ask("DELETE", "/v1/status")[2]["allow"] == "GET POST"
    assert s.ask("GET", "/healthz")[0] == 200


def test_who_is_let_in(w):
    """Without a token: this user on this machine, by the kernel's word, and by no name but this machine's."""
    s = Server(w)
    assert s.ask("GET", "/v1/status")[0] == 200
    assert s.ask("GET", "/v1/status", headers={"Host": f"localhost:{s.port}"})[0] == 200
    for headers, status in [({"Host": "evil.example"}, 401), ({"Host": "localhost.evil.example"}, 401), ({"Origin": "http://evil.example"}, 403),
                            ({"Origin": "null"}, 403), ({"X-Forwarded-For": "10.0.0.1"}, 401), ({"Forwarded": "for=10.0.0.1"}, 401),
                            ({"Via": "1.1 proxy"}, 401), ({"Authorization": "Bearer x"}, 401), ({"Authorization": "Basic eDp5"}, 401)]:
        got = s.ask("GET", "/v1/status", headers=headers)
        assert got[0] == status and got[1]["error"]["code"] == "denied", (headers, got)
    assert s.ask("GET", "/v1/status", headers={"Host": "evil.example"})[2]["www-authenticate"] == "Bearer"
    assert s.ask("GET", "/v1/status", headers={"Origin": f"http://127.0.0.1:{s.port}"})[0] == 200
    if os.geteuid() == 0 and shutil.which("setpriv") and shutil.which("curl"):
        other = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
                                f"http://127.0.0.1:{s.port}/v1/status"], capture_output=True, text=True)
        assert other.stdout == "401", other


def test_bad_input(w):
    s = Server(w, "embed = no\nhttp_body_bytes = 64K\n" + FAST)
    head = b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    for data, status in [(head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 411), (head + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
                         (head + b"Content-Length: 2\r\nContent-Length: 5\r\n\r\n{}", 400), (head + b"Content-Length: -2\r\n\r\n{}", 400),
                         (head + b"Content-Length: 2x\r\n\r\n{}", 400), (head + b"Content-Length: 99999999999999999999999\r\n\r\n{}", 413),
                         (head + b"Content-Length: 65537\r\n\r\n" + b"x" * 65537, 413), (head + b"Host: evil\r\nContent-Length: 2\r\n\r\n{}", 400),
                         (b"GET /v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}", 400)]:
        got = s.raw(data)
        assert got.startswith(b"HTTP/1.1 %d " % status) and got.count(b"HTTP/1.1 ") == 1, (data[:120], got)
    host = b"Host: 127.0.0.1\r\n"
    closed = [b"GET /healthz HTTP/1.1\r\nX-A: " + b"a" * 100000 + b"\r\n\r\n", b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
              b"GET /healthz HTTP/1.1\r\n" + b"".join(b"X-%d: aaaaaaaaaaaaaaaa\r\n" % i for i in range(5000)) + b"\r\n",
              bytes.fromhex("16030100c8010000c40303") + b"a" * 150, b"\0\xff\1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
              b"GET /healthz HTTP/1.1\r\n" + host + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
              b"GET /healthz HTTP/1.1\r\n" + host + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
              b"CONNECT a:1 HTTP/1.1\r\n" + host + b"\r\n"]
    for data in closed:
        got = s.raw(data)
        assert b" 200 " not in got and b" 101 " not in got, (data[:80], got[:200])
    two = s.raw(b"GET /healthz HTTP/1.1\r\n" + host + b"\r\nGET /readyz HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n")
    assert two.count(b"HTTP/1.1 200") == 2 and two.index(b"ok\n") < two.index(b"ready\n"), two
    assert s.ask("GET", "/healthz")[0] == 200


def test_slow_clients_cost_themselves_alone(w):
    s = Server(w, "embed = no\n" + FAST)
    slow = []
    for first in [b"GET /healthz HTTP/1.1\r\nX: ", b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n", b""] * 20:
        c = socket.create_connection(("127.0.0.1", s.port))
        c.sendall(first)
        c.setblocking(False)
        slow.append((c, first))
    until = time.monotonic() + 30
    while slow and time.monotonic() < until:
        assert s.ask("GET", "/healthz")[0] == 200, "others are answered meanwhile"
        for c, first in slow[:]:
            try:
                if first:
                    c.sendall(b"a")
                over = c.recv(1000) == b""
            except BlockingIOError:
                over = False
            except ConnectionError:
                over = True
            if over:
                c.close()
                slow.remove((c, first))
        time.sleep(0.1)
    assert not slow, f"{len(slow)} are still open"


def test_slow_answers_are_waited_for(w):
    """The limits are the clients': an answer may take longer than a head, a body or an idle connection may."""
    repo = w.repo()
    Told(w, "sleep 3500\nsay The wait is exponential [1].\n")
    s = Server(w, (w.home / "config").read_text() + FAST)
    body = {"query": "how long is the wait before a retry?", "dir": str(repo)}
    query = urllib.parse.urlencode(body)
    for method, path, given in (("GET", f"/v1/ask?{query}", None), ("POST", "/v1/ask", body)):
        began = time.monotonic()
        status, got, _ = s.ask(method, path, given)
        assert status == 200 and got["mode"] == "generated" and time.monotonic() - began > 3.4, (method, got)


def test_many_silent_connections_keep_nobody_waiting(w):
    s = Server(w)
    silent = [socket.create_connection(("127.0.0.1", s.port)) for _ in range(800)]
    for c in silent[::2]:
        c.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
    began = time.monotonic()
    for _ in range(5):
        assert s.ask("GET", "/healthz")[0] == 200
    assert time.monotonic() - began < 3, "http_head_seconds is 10"
    for c in silent:
        c.close()


def test_a_client_that_goes_away(w):
    """Its request is canceled; what it does not read does not pile up."""
    repo = w.repo(files=big_sources(300))
    s = Server(w)
    c = socket.create_connection(("127.0.0.1", s.port))
    body = json.dumps({"query": "step 7", "dir": str(repo)}).encode()
    c.sendall(b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    with Rpc(w.socket) as r:
        def open_requests(id=iter(range(1, 10**6))):
            n = next(id)
            r.request(n, "status")
            return r.answer(n)["result"]["requests"] - 1
        wait_for(lambda: open_requests() == 1, "the request to wait for the index")
        c.close()
        wait_for(lambda: open_requests() == 0, "it to be canceled")
    wait_for(lambda: s.ask("GET", "/v1/search?query=step_299_7&repo=courier")[1].get("results"), "the index", 60)


def test_drains(w):
    repo = w.repo()
    Told(w, "say The wait is\nsleep 1500\nsay  exponential [1].\n")
    s = Server(w, (w.home / "config").read_text())
    c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=60)
    c.request("POST", "/v1/ask", json.dumps({"query": "how long is the wait before a retry?", "dir": str(repo), "stream": True}))
    r = c.getresponse()
    r.readline()
    s.p.terminate()
    text = r.read().decode()
    assert "event: done" in text or '"stopping"' in text, text[-300:]
    assert s.p.wait(20) == 0


def test_takes_the_place_of_a_started_daemon(w):
    repo = w.repo()
    w.json("search", "retry", cwd=repo)
    before = w.pid()
    s = Server(w, (w.home / "config").read_text() if (w.home / "config").exists() else "embed = no\n")
    assert w.pid() == s.p.pid != before and w.json("search", "retry", cwd=repo)["results"]
    r = w.run("serve", "--listen", "127.0.0.1:0")
    assert r.returncode == 2 and "runs already" in r.stderr and "listen =" in r.stderr, r


def test_refuses_to_listen(w):
    for at, wanted in [("0.0.0.0:0", "TLS and tokens"), ("[::]:0", "TLS and tokens"), ("nowhere", "HOST:PORT"), ("127.0.0.1:", "HOST:PORT"),
                       ("127.0.0.1:99999999", "HOST:PORT"), ("::1:80", "HOST:PORT"), ("no.such.host.invalid:1", "no.such.host.invalid")]:
        r = w.run("serve", "--listen", at)
        assert r.returncode == 2 and wanted in r.stderr and not os.path.exists(w.socket), (at, r)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        r = w.run("serve", "--listen", "127.0.0.1:%d" % taken.getsockname()[1])
        assert r.returncode == 2 and "in use" in r.stderr, r


def test_listens_by_its_configuration(w):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    w.config(f"embed = no\nlisten = 127.0.0.1:{port}\n")
    w.daemon()
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    c.request("GET", "/healthz")
    assert c.getresponse().read() == b"ok\n"
    c.close()
    w.run("stop")


def test_https(w):
    """A generated certificate whose fingerprint is shown, own files, and what is refused."""
    w.config("embed = no\n")
    w.repo()
    token = w.run("token", "create", "ada").stdout.strip()
    s = Server(w, "embed = no\ntls = generated\n" + FAST)
    fingerprint = re.search(r"SHA-256 ([0-9A-F:]{95})", s.said)[1]
    key = w.home / "tls" / "key.pem"
    assert s.said.startswith("codeaskd: listens on https://") and key.stat().st_mode & 0o777 == 0o600
    with socket.create_connection(("127.0.0.1", s.port)) as c:
        trusting = ssl.create_default_context(cafile=str(w.home / "tls" / "certificate.pem"))
        with trusting.wrap_socket(c, server_hostname="localhost") as t:
            der = t.getpeercert(True)
            assert ":".join(f"{b:02X}" for b in hashlib.sha256(der).digest()) == fingerprint and t.version() in ("TLSv1.2", "TLSv1.3")
    try:
        with socket.create_connection(("127.0.0.1", s.port)) as c, ssl.create_default_context().wrap_socket(c, server_hostname="localhost"):
            raise AssertionError("an authority that nobody trusts was taken")
    except ssl.SSLCertVerificationError:
        pass
    if shutil.which("curl"):
        for trust, code in (([], 60), (["--cacert", str(w.home / "tls" / "certificate.pem")], 0), (["-k", "--pinnedpubkey", "sha256//" + "A" * 43 + "="], 90)):
            r = subprocess.run(["curl", "-sS", *trust, f"https://localhost:{s.port}/healthz", "--resolve", f"localhost:{s.port}:127.0.0.1"], capture_output=True, text=True)
            assert r.returncode == code and (r.stdout == "ok\n") == (code == 0), (trust, r)
    https = http.client.HTTPSConnection("127.0.0.1", s.port, context=trusting, timeout=60)
    for headers in ({}, {"Authorization": "Bearer " + token}):
        https.request("GET", "/v1/status", headers=headers)
        r = https.getresponse()
        assert r.status == 200 and json.loads(r.read())["version"]
    https.request("GET", "/v1/status", headers={"Origin": f"https://127.0.0.1:{s.port}"})
    r = https.getresponse()
    assert r.read() and r.status == 200
    https.close()
    assert b" 200 " not in s.raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"), "no HTTP on the port of HTTPS"
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    try:
        with socket.create_connection(("127.0.0.1", s.port)) as c, old.wrap_socket(c):
            raise AssertionError("TLS 1.1 was spoken")
    except (ssl.SSLError, OSError):
        pass
    for n in range(1000, 60000, 1000):  # whatever records the bytes come in
        body = json.dumps({"query": "retry " + "x" * n, "repo": ["none"]})
        https.request("POST", "/v1/search", body)
        r = https.getresponse()
        assert r.read() and r.status == 404, (n, r.status)
        https.close()
    before = key.read_bytes()
    assert w.run("stop").returncode == 0 and s.p.wait(20) == 0
    files = w.root / "own"
    shutil.copytree(w.home / "tls", files)
    own = f"embed = no\ntls = files\ntls_certificate = {files}/certificate.pem\ntls_key = {files}/key.pem\n"
    s = Server(w, own)
    assert fingerprint in s.said and key.read_bytes() == before
    assert w.run("stop").returncode == 0 and s.p.wait(20) == 0
    expired = files / "expired.pem"
    for command in (["req", "-new", "-key", str(files / "key.pem"), "-subj", "/CN=codeask", "-out", str(files / "request.pem")],
                    ["x509", "-req", "-in", str(files / "request.pem"), "-signkey", str(files / "key.pem"), "-days", "-1", "-out", str(expired)]):
        if shutil.which("openssl"):
            subprocess.run(["openssl", *command], check=True, capture_output=True)
    if expired.exists():
        w.config(own.replace("certificate.pem", "expired.pem"))
        r = w.run("serve", "--listen", "127.0.0.1:0")
        assert r.returncode == 2 and "expired.pem: the certificate expired on " in r.stderr, r
        w.config(own)
    for change, wanted in [(lambda: os.chmod(files / "key.pem", 0o640), "others can read"), (lambda: (files / "key.pem").write_text("x"), "no private key"),
                           (lambda: shutil.rmtree(w.home / "tls"), "no private key"), (lambda: (files / "certificate.pem").unlink(), "certificate.pem")]:
        change()
        r = w.run("serve", "--listen", "127.0.0.1:0")
        assert r.returncode == 2 and wanted in r.stderr, (wanted, r)
        os.chmod(files / "key.pem", 0o600)


def test_a_renewed_certificate(w):
    """What is renewed counts from the next connection on; what does not hold changes nothing."""
    if not shutil.which("openssl"):
        print("without openssl: renewal is not tested")
        return
    files = w.root / "own"
    files.mkdir()

    def put(name, days=90):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days), "-subj", f"/CN={name}",
                        "-keyout", str(files / "key.new"), "-out", str(files / "certificate.new")], check=True, capture_output=True)
        der = ssl.PEM_cert_to_DER_cert((files / "certificate.new").read_text())
        os.replace(files / "certificate.new", files / "certificate.pem")  # one after the other, as all who renew do
        return der

    def put_key():
        os.replace(files / "key.new", files / "key.pem")

    def served():
        with socket.create_connection(("127.0.0.1", s.port)) as c, ssl._create_unverified_context().wrap_socket(c) as t:
            return t.getpeercert(True)

    first = put("first")
    put_key()
    s = Server(w, f"embed = no\ntls = files\ntls_certificate = {files}/certificate.pem\ntls_key = {files}/key.pem\n")
    assert served() == first and not any("expires" in line for line in s.later)
    open_one = http.client.HTTPSConnection("127.0.0.1", s.port, context=ssl._create_unverified_context(), timeout=60)
    open_one.connect()
    second = put("second", days=3)
    assert served() == first, "half a pair was taken"
    put_key()
    assert served() == second and open_one.sock.getpeercert(True) == first
    open_one.request("GET", "/healthz")
    assert open_one.getresponse().read() == b"ok\n", "a connection that stands goes on"
    (files / "certificate.pem").write_text("no certificate")
    assert served() == second == served()
    put("third")
    os.chmod(files / "key.new", 0o644)
    put_key()
    assert served() == second, "a key that others can read was taken"
    w.run("stop")
    s.p.wait(20)
    text = "".join(s.later)
    assert text.count("stays the old one") == 3 and "others can read" in text and re.search("certificate.pem expires in [23] days", text), text


def test_tls_to_a_plain_port(w):
    s = Server(w, "embed = no\n" + FAST)
    try:
        with socket.create_connection(("127.0.0.1", s.port), timeout=20) as c, ssl._create_unverified_context().wrap_socket(c):
            raise AssertionError("a plain port spoke TLS")
    except OSError:
        pass
    assert s.ask("GET", "/healthz")[0] == 200


def test_other_machines_need_tls_and_tokens(w):
    for config, tokens, wanted in [("", False, "tls = generated"), ("", True, "tls = generated"), ("tls = generated\n", False, "no token")]:
        w.config("embed = no\n" + config)
        if tokens:
            w.run("token", "create", "ada", "--expires", "1m")
        r = w.run("serve", "--listen", "0.0.0.0:0")
        assert r.returncode == 2 and wanted in r.stderr and not os.path.exists(w.socket), (config, tokens, r)
        w.run("token", "revoke", "ada")
    token = w.run("token", "create", "ada").stdout.strip()
    w.config("embed = no\ntls = generated\n")
    p = w.popen(CODEASK, "serve", "--listen", "0.0.0.0:0")
    port = int(re.search(r"https://0\.0\.0\.0:(\d+)", p.stderr.readline())[1])
    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    for headers, status in (({"Authorization": "Bearer " + token, "Host": "office.example"}, 200), ({"Host": "office.example"}, 401)):
        c = http.client.HTTPSConnection("127.0.0.1", port, context=blind, timeout=60)
        c.request("GET", "/v1/status", headers=headers)
        assert c.getresponse().status == status
        c.close()


if __name__ == "__main__":
    main(globals())
