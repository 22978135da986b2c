"""Models on another machine: a second codeask as the endpoint, and a server that hangs, dies in the middle, sends garbage, fails; what is sent, and of which repositories."""
import http.server
import json
import re
import threading
import time

from lib import CODEASK, Rpc, Told, World, main, wait_for
from test_http import Server
from test_http import Server

QUESTION = "how long is the wait before a retry?"


class Fake:
    """A server of OpenAI's API whose answers are set: `say` (pieces), `mode` (what is wrong), `dim`. What it was sent is kept."""

    def __init__(self):
        self.say, self.mode, self.dim, self.sent, self.heads, self.models = ["It doubles [1]."], "", 8, [], [], ["big"]
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def json(self, o, status=200):
                body = json.dumps(o).encode() if not isinstance(o, bytes) else o
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                fake.heads.append(dict(self.headers))
                if fake.mode == "away":
                    return self.json({"error": {"message": "loading"}}, 503)
                if fake.mode == "away-once":
                    fake.mode = ""
                    return self.json({"error": {"message": "loading"}}, 503)
                if fake.mode == "hang-at-once":
                    time.sleep(30)
                self.json({"object": "list", "data": [{"id": m, "object": "model", "max_model_len": 16384} for m in fake.models]})

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                fake.heads.append(dict(self.headers))
                fake.sent.append((self.path, body))
                if fake.mode == "hang":
                    time.sleep(30)
                elif fake.mode == "500":
                    self.json({"error": {"message": "boom"}}, 500)
                elif fake.mode == "once" and len(fake.sent) % 2:
                    self.json({}, 503)
                elif fake.mode == "html":
                    self.json(b"<html>")
                elif self.path == "/v1/embeddings":
                    self.embed(body)
                else:
                    self.chat()

            def embed(self, body):
                texts = body["input"]
                if fake.mode == "short" and any(len(t) > 600 for t in texts):
                    return self.json({"error": {"message": "too long"}}, 400)
                words = lambda t: [sum(1 for w in re.findall(r"[a-z]+", t.lower()) if hash_of(w) % fake.dim == k) + 0.01 for k in range(fake.dim)]
                self.json({"object": "list", "data": [{"object": "embedding", "index": i, "embedding": words(t)} for i, t in enumerate(texts)], "usage": {"prompt_tokens": 3}})

            def chat(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                self.close_connection = True
                event = lambda o: self.wfile.write(b"data: " + (o if isinstance(o, bytes) else json.dumps(o).encode()) + b"\n\n")
                if fake.mode == "garbage":
                    return event(b"{nonsense")
                if fake.mode == "endless":
                    try:
                        while True:
                            self.wfile.write(b"data: " + b"x" * 65536)
                    except OSError:
                        return
                for i, piece in enumerate(fake.say):
                    event({"choices": [{"index": 0, "delta": {"content": piece}}]})
                    self.wfile.flush()
                    if fake.mode == "die":
                        return
                    if fake.mode == "stall":
                        time.sleep(30)
                event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 100, "completion_tokens": 5}})
                event(b"[DONE]")

        class Threads(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass

        self.http = Threads(("127.0.0.1", 0), Handler)
        self.port = self.http.server_port
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    def texts(self):
        return json.dumps([b for _, b in self.sent])


def hash_of(word):
    n = 0
    for c in word.encode():
        n = (n * 31 + c) & 0xFFFFFF
    return n


def writes(w, fake, more="", local=True):
    """A world whose answers the fake writes; a model of this machine says so."""
    told = Told(w, "say The local model says it doubles [1].\n")
    text = (w.home / "config").read_text() if local else "embed = no\n"
    w.config(text + f"answer-endpoint = {fake.url}\nanswer-endpoint-model = big\nendpoint-stall-seconds = 1\nhistory = no\n" + more)
    return told


def ask(w, repo=None, *args):
    return w.json("ask", QUESTION, *args, cwd=repo or w.root / "courier", code=None)


def test_writes(w):
    fake = Fake()
    repo = w.repo()
    told = writes(w, fake)
    fake.say = ["It ", "doubles", " with each attempt [1]. And [9] is invented [7]."]
    got = ask(w)
    assert got["mode"] == "generated" and got["model"] == "big" and got["endpoint"] == f"127.0.0.1:{fake.port}", got
    assert "doubles with each attempt" in got["answer"] and got["dropped"]["invented"] >= 1 and got["citations"][0]["path"] == "src/retry.py", got
    assert told.prompts() == 0 and len(fake.sent) == 1
    path, body = fake.sent[0]
    assert path == "/v1/chat/completions" and body["model"] == "big" and body["stream"] is True and len(body["stop"]) == 1 and "RetryPolicy" in json.dumps(body["messages"])
    row = json.loads((w.home / "audit.jsonl").read_text().splitlines()[-1])
    assert row["model"] == "big" and row["chunks"], row
    models = {(m["role"], m.get("endpoint")): m for m in w.json("status")["models"]}
    assert models["answer", fake.url]["state"] == "ready" and models["answer", fake.url]["context"] == 16384, models
    assert f"at {fake.url}" in w.run("status").stdout
    privacy = w.run("doctor", "--privacy").stdout
    assert f"questions with their sources go to {fake.url}" in privacy, privacy


def test_key_and_https(w):
    fake = Fake()
    w.repo()
    key = w.root / "key"
    key.write_text("sk-of-the-cluster\n")
    key.chmod(0o644)
    writes(w, fake, f"answer-endpoint-key = {key}\n")
    got = ask(w)
    assert got["model"] == "told" and "open to others" in got["note"] and fake.sent == [], got
    w.run("stop")
    key.chmod(0o600)
    assert ask(w)["model"] == "big"
    assert fake.heads[-1]["Authorization"] == "Bearer sk-of-the-cluster"
    w.run("stop")
    for p in w.home.rglob("*"):
        assert not p.is_file() or b"sk-of-the-cluster" not in p.read_bytes(), p


def test_troubles(w):
    """Whatever it does, an answer comes: the local model's where not a word had gone out, else what was found."""
    w.repo()
    for mode, local, text in [("away", True, "503"), ("hang-at-once", True, "says nothing"), ("hang", True, "says nothing"), ("500", True, "answers 500"), ("html", True, "streams no events"),
                              ("garbage", True, "not that of OpenAI"), ("endless", True, "an event of more than"), ("die", False, "went away in the middle"), ("stall", False, "says nothing")]:
        with World() as x:
            fake = Fake()
            repo = x.repo()
            writes(x, fake)
            fake.mode = mode
            began = time.monotonic()
            got = ask(x)
            assert time.monotonic() - began < 25, mode
            assert text in got["note"], (mode, got["note"])
            if local:
                assert got["mode"] == "generated" and got["model"] == "told" and "endpoint" not in got and "local model" in got["answer"], (mode, got)
            else:
                assert got["mode"] == "extractive" and "src/retry.py" == got["citations"][0]["path"], (mode, got)
            # it is left alone for a while, then looked for again
            sent = len(fake.sent)
            again = ask(x)
            assert again["model"] == "told" and len(fake.sent) == sent, (mode, again)
            assert [m for m in x.json("status")["models"] if m.get("endpoint")][0]["state"] == "unavailable"
    with World() as x:
        fake = Fake()
        x.repo()
        writes(x, fake)
        fake.mode = "once"  # a moment's trouble
        assert ask(x)["model"] == "big" and len(fake.sent) == 2
    with World() as x:
        fake = Fake()
        x.repo()
        writes(x, fake)
        fake.models = ["other"]
        assert "has no model big" in ask(x)["note"]


def test_looked_after(w):
    """Nobody waits for one that hangs: it is looked for beside the questions, and falls without anybody asking it."""
    fake = Fake()
    w.repo()
    writes(w, fake, "endpoint-look-seconds = 1\n")
    state = lambda: [m for m in w.json("status")["models"] if m.get("endpoint")][0]["state"]
    w.json("index", cwd=w.root / "courier")
    looks = len(fake.heads)
    time.sleep(2.5)
    assert looks == len(fake.heads) == 0, "before the first question nothing is sent"
    assert ask(w)["model"] == "big"
    fake.mode = "hang-at-once"
    wait_for(lambda: state() == "unavailable", "that it falls", 25)
    sent = len(fake.sent)
    began = time.monotonic()
    got = ask(w)
    assert got["model"] == "told" and "says nothing" in got["note"] and time.monotonic() - began < 1, got
    assert len(fake.sent) == sent
    fake.mode = ""
    wait_for(lambda: state() == "ready", "that it is found again", 25)
    assert ask(w)["model"] == "big"
    # one look that is missed is none
    fake.mode = "away-once"
    looks = len(fake.heads)
    wait_for(lambda: len(fake.heads) >= looks + 3, "three looks")
    assert state() == "ready" and ask(w)["model"] == "big"


def test_openai_names(w):
    """A client that names the endpoint's model has it, one that names this machine's has that one, and nobody else's is there."""
    fake = Fake()
    w.repo()
    told = writes(w, fake)
    s = Server(w, (w.home / "config").read_text())
    chat = lambda model: s.ask("POST", "/v1/chat/completions", {"model": model, "messages": [{"role": "user", "content": "hello"}]})
    for model, says in (("big", "".join(fake.say)), ("told", "The local model")):
        status, got, _ = chat(model)
        assert status == 200 and got["model"] == model and says.strip()[:9] in got["choices"][0]["message"]["content"], (model, got)
    assert chat("other")[0] == 404
    assert {"big", "told"} <= {m["id"] for m in s.ask("GET", "/v1/models")[1]["data"]}
    fake.mode = "500"
    assert chat("big")[0] >= 422 and chat("told")[0] == 200


def test_openai_names_embedders(w):
    fake = Fake()
    w.repo()
    s = Server(w, f"embed-endpoint = {fake.url}\nembed-endpoint-model = big\nhistory = no\n")
    local = next(m["name"] for m in w.json("status")["models"] if m["role"] == "embed")
    embed = lambda model: s.ask("POST", "/v1/embeddings", {"model": model, "input": "where is the bell of the moon?"})
    status, got, _ = embed(local)
    assert status == 200 and got["model"] == local and "bell of the moon" not in fake.texts(), got
    status, got, _ = embed("big")
    assert status == 200 and got["model"] == "big" and got["data"][0]["embedding"] and "bell of the moon" in fake.texts(), got
    assert embed("other")[0] == 404
    fake.mode = "500"
    assert embed("big")[0] >= 422 and embed(local)[0] == 200


def test_pinned(w):
    """Of a pinned repository nothing is sent, by whatever way it is asked about; nor of the others beside it."""
    fake = Fake()
    vault = w.repo("vault", files={"vault.py": "class VaultKeeper:\n    '''Waits before a retry of the retry policy.'''\n"})
    repo = w.repo()
    told = writes(w, fake, f"embed = yes\nembed-endpoint = {fake.url}\nembed-endpoint-model = big\n".replace("embed = yes\n", ""))
    w.config((w.home / "config").read_text().replace("embed = no", "embed = yes"))
    assert w.run("repo", "add", "--local-only", vault).returncode == 0
    w.json("index", cwd=vault)
    w.json("index", cwd=repo)
    assert any(p == "/v1/embeddings" for p, _ in fake.sent) and "RetryPolicy" in fake.texts()
    assert "VaultKeeper" not in fake.texts()
    before = len(fake.sent)
    for args in (["--repo", "vault"], ["--repo", "vault", "--repo", "courier"], ["--all-repos"]):
        got = w.json("ask", "who is the keeper of the vault's retry policy?", *args, code=None)
        assert got["model"] == "told" and "endpoint" not in got, (args, got)
        w.json("search", "keeper of the vault", *args, code=None)
    assert len(fake.sent) == before, fake.sent[before:]
    got = w.json("ask", QUESTION, "--repo", "courier", code=None)
    assert got["model"] == "big" and len(fake.sent) > before
    # a conversation that began here goes on elsewhere without what it has read here
    first = w.json("ask", "who is the keeper of the vault?", "--repo", "vault", code=None)
    sent = len(fake.sent)
    w.json("ask", "--continue", first["conversation"], QUESTION, "--repo", "courier", code=None)
    assert "VaultKeeper" not in json.dumps([b for _, b in fake.sent[sent:]])
    assert "stays on this machine" in w.run("status").stdout and "1 pinned" in w.run("doctor", "--privacy").stdout
    w.run("repo", "pin", "courier", "local")
    before = len(fake.sent)
    assert w.json("ask", QUESTION, "--repo", "courier", code=None)["model"] == "told" and len(fake.sent) == before
    w.run("repo", "pin", "vault", "anywhere")
    assert w.json("ask", "who is the keeper of the vault?", "--repo", "vault", code=None)["model"] == "big"
    assert w.run("repo", "pin", "nothing", "local").returncode == 2 and w.run("repo", "pin", "vault", "elsewhere").returncode == 2


def test_embeds(w):
    fake = Fake()
    repo = w.repo()
    w.config(f"embed-endpoint = {fake.url}\nembed-endpoint-model = big\nendpoint-stall-seconds = 2\nhistory = no\n")
    fake.mode = "short"  # texts over 600 bytes are refused: they are halved
    assert w.json("index", cwd=repo)["repos"][0]["freshness"]["embedded"] == 1
    fake.mode = ""
    got = w.json("search", "exponential backoff", cwd=repo)
    assert got["vectors"] is True and got["results"][0]["path"] == "src/retry.py"
    # the same again costs nothing
    sent = len(fake.sent)
    w.json("index", cwd=repo)
    assert len(fake.sent) == sent
    # away: words answer, and it is said; another dimension is another model: nothing is mixed
    fake.mode = "500"
    got = w.json("search", "exponential backoff of requests", cwd=repo)
    assert got["results"][0]["path"] == "src/retry.py" and got.get("vectors") is not True, got
    w.run("stop")
    fake.mode, fake.dim = "", 16
    (repo / "src" / "new.py").write_text("class BrandNew:\n    pass\n")
    w.run("index", cwd=repo)
    got = w.json("search", "brand new", cwd=repo)
    assert got["results"][0]["path"] == "src/new.py"


def test_second_codeask(w):
    """Another codeask as the endpoint, with its token as the key."""
    with World() as far:
        Told(far, "say It doubles with each attempt [1].\n")
        s = Server(far, (far.home / "config").read_text())
        key = w.root / "key"
        key.write_text(far.run("token", "create", "box").stdout)
        key.chmod(0o600)
        w.repo()
        w.config(f"embed = no\nhistory = no\nanswer-endpoint = http://127.0.0.1:{s.port}/v1\nanswer-endpoint-model = told\nanswer-endpoint-key = {key}\n")
        got = ask(w)
        assert got["mode"] == "generated" and got["model"] == "told" and got["endpoint"] == f"127.0.0.1:{s.port}", got
        assert "doubles with each attempt" in got["answer"] and got["citations"][0]["path"] == "src/retry.py"
        with Rpc(w.socket) as c:
            c.request(1, "complete", messages=[{"role": "user", "text": "say it"}])
            assert "doubles" in c.answer(1)["result"]["text"]


if __name__ == "__main__":
    main(globals())
