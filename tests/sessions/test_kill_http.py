"""kill -9 of the server with HTTP clients in flight: nothing that was acknowledged is lost, no byte of what a user may not read was sent, no process
stays behind, and the next start answers at the same address. 20 kills; 200 with CODEASK_TEST_LONG."""
import http.client
import json
import os
import pathlib
import random
import re
import signal
import socket
import threading
import time

from lib import CODEASK, Told, main, wait_for
from test_http import Server
from test_people import SECRET

KILLS = 200 if os.environ.get("CODEASK_TEST_LONG") == "1" else 20
LATEST = 0.4  # seconds from the first request to the kill
QUESTION = "how long is the wait before a retry?"
HIDDEN = ("open_vault_door", "vault.py", "vault with exponential", "of the vault")
STEADY = re.compile(r"(audit\.jsonl|codeaskd\.log)(\.\d)?|config|lock|(index|state)\.mdb(-lock)?|codeaskd\.sock|models|prefixes")


class Clients:
    """What is asked at once, what was acknowledged, and all bytes that came back."""

    def __init__(self, w, told, port, tokens, rnd):
        self.w, self.told, self.port, self.tokens, self.random, self.over = w, told, port, tokens, rnd, False
        self.good = self.maybe = 0              # verdicts acknowledged; sent and not answered
        self.live, self.dead = {}, set()        # tokens made; tokens revoked: {secret: name}
        self.unsure = set()                     # names whose revoking was not answered
        self.answered = 0                       # requests with a whole answer: each has its row in the audit log
        self.heard = []
        self.lock = threading.Lock()

    def ask(self, path, body, user="ada", stream=False):
        """The answer, or None where the server went away before its end."""
        got = b""
        try:
            c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            c.request("POST", path, json.dumps(body), {"Authorization": "Bearer " + self.tokens[user]})
            r = c.getresponse()
            while part := r.read1(65536):
                got += part
            whole = b"event: done" in got or b"[DONE]" in got if stream else len(got) == int(r.headers["content-length"])
            return (r.status, got.decode()) if whole else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            with self.lock:
                self.heard.append(got)

    def count(self, got):
        with self.lock:
            self.answered += got is not None
        return got

    def stream(self):
        while not self.over:
            self.count(self.ask("/v1/ask", {"query": QUESTION, "stream": True}, stream=True))

    def chat(self):
        while not self.over:
            self.count(self.ask("/v1/chat/completions", {"model": "codeask", "stream": True, "messages": [{"role": "user", "content": QUESTION}]}, stream=True))

    def search(self):
        while not self.over:
            for q in "exponential backoff", "open vault door", '"vault"':
                self.count(self.ask("/v1/search", {"query": q}))

    def judge(self):
        while not self.over:
            got = self.count(self.ask("/v1/ask", {"query": QUESTION, "no_generate": True}))
            if not got:
                return
            with self.lock:
                self.maybe += 1
            if self.count(self.ask("/v1/feedback", {"id": json.loads(got[1])["id"], "verdict": "good"})):
                with self.lock:
                    self.good, self.maybe = self.good + 1, self.maybe - 1

    def admin(self):
        n = 0
        while not self.over:
            n += 1
            name = f"u{self.random.randrange(1 << 30)}_{n}"
            made = self.count(self.ask("/v1/token.create", {"name": name}, user="root"))
            if not made or made[0] != 200:
                return
            secret = json.loads(made[1])["token"]
            if n % 2:
                self.live[secret] = name
                continue
            self.unsure.add(name)
            gone = self.count(self.ask("/v1/token.revoke", {"name": name}, user="root"))
            if not gone:
                return
            assert gone[0] == 200, gone
            self.unsure.discard(name)
            self.dead.add(secret)


def processes(home):
    """of this home's programs: the daemon, its engine, its workers"""
    found = []
    for p in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if f"CODEASK_HOME={home}\0".encode() in (p / "environ").read_bytes() and re.search(rb"codeaskd|scripted_engine", (p / "cmdline").read_bytes()):
                if (p / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                    found.append(int(p.name))
        except OSError:
            pass
    return found


def test_clients_in_flight(w):
    seed = random.randrange(1 << 30) if KILLS > 20 else 11
    print(f"seed {seed}", flush=True)
    rnd = random.Random(seed)
    told = Told(w, "say The wait is\nsleep 60\nsay  exponential\nsleep 60\nsay , `RetryPolicy` says [1].\n", config="user_rate = 0\nuser_open = 1024\n")
    for repo in w.repo(), w.repo("vault", SECRET):
        assert w.run("index", cwd=repo).returncode == 0
    tokens = {name: w.run("token", "create", name, "--scope", scope).stdout.strip() for name, scope in (("ada", "read,feedback"), ("root", "read,admin"))}
    w.run("access", "grant", "ada", "courier")
    w.run("stop")
    config = (w.home / "config").read_text()
    s = Server(w, config)
    port = s.port
    rows_before = answered = verdicts = 0
    for n in range(KILLS):
        c = Clients(w, told, port, tokens, rnd)
        doing = [threading.Thread(target=f) for f in (c.stream, c.stream, c.chat, c.search, c.search, c.judge, c.admin)]
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        for t in doing:
            t.start()
        time.sleep(rnd.random() * LATEST)
        pid = s.p.pid
        os.kill(pid, signal.SIGKILL)
        c.over = True
        s.p.wait()
        for t in doing:
            t.join(60)
            assert not t.is_alive(), "a client that never came back"
        for i in idle:
            i.close()
        wait_for(lambda: not processes(w.home), f"the end of {processes(w.home)}")
        for heard in c.heard:
            assert not any(h.encode() in heard for h in HIDDEN), heard
        # at the same address, at once
        w.config(config)
        s.p = w.popen(CODEASK, "serve", "--listen", f"127.0.0.1:{port}")
        line = s.p.stderr.readline()
        assert f"listens on http://127.0.0.1:{port}" in line, line + s.p.stderr.read()
        threading.Thread(target=s.p.stderr.read, daemon=True).start()
        status, o, _ = s.ask("POST", "/v1/search", {"query": "exponential backoff"}, {"Authorization": "Bearer " + tokens["ada"]})
        assert status == 200 and o["results"][0]["path"] == "src/retry.py" and not any(h in json.dumps(o) for h in HIDDEN), o
        kept = w.json("status")["feedback"]
        assert verdicts + c.good <= kept <= verdicts + c.good + c.maybe, (verdicts, c.good, c.maybe, kept)
        verdicts = kept
        for secret in c.live:
            assert s.ask("POST", "/v1/self", {}, {"Authorization": "Bearer " + secret})[0] == 200, "a token that was handed out"
        for secret in c.dead:
            assert s.ask("POST", "/v1/self", {}, {"Authorization": "Bearer " + secret})[0] == 401, "a token that was revoked"
        rows = [json.loads(row) for f in sorted(w.home.glob("audit.jsonl*")) for row in f.read_text().splitlines()]
        assert len(rows) - rows_before >= c.answered, "an answer went out without its row"
        rows_before = len(rows)
        answered += c.answered
        stray = [f.name for f in w.home.iterdir() if not STEADY.fullmatch(f.name)]
        assert not stray, stray
    assert answered > KILLS and verdicts, (answered, verdicts)
    print(f"{KILLS} kills, {answered} answers, {verdicts} verdicts", flush=True)


if __name__ == "__main__":
    main(globals())
