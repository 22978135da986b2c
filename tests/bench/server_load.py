"""Rows server.load_*: the server as a team uses it. 200 clients read streams of an endpoint on this machine that says 20 tokens a second to each of
them, 2,000 connections are idle, and 20 searches a second come in an open loop over the corpus of search_load.py (200k chunks; the questions are
embedded by the model that is there); each latency is counted from the time at which it was due. The daemon's own memory at the end is compared with that of one
minute after the start, each the median of half a minute, for what single searches hold comes and goes. A tenth of the time in a short run:
CODEASK_BENCH_SECONDS (default 600)."""
import json
import multiprocessing
import os
import resource
import selectors
import socket
import statistics
import subprocess
import sys
import threading
import time

from search_load import CHUNKS, RELEASE, anonymous_mb, cpu_seconds, environment, on_corpus, questions, share

ROWS = ("server.load_p99_ms", "server.load_memory", "server.load_tokens")
STREAMS, IDLE, RATE, TOKENS, TOKEN_MS = 200, 2000, 20, 600, 50
SECONDS = float(os.environ.get("CODEASK_BENCH_SECONDS", 600))
MODEL = "told"


def endpoint(told):
    """A server with OpenAI's API, in a process of its own: it says a token each TOKEN_MS on every connection that asked."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    told.send(listener.getsockname()[1])
    select = selectors.DefaultSelector()
    select.register(listener, selectors.EVENT_READ)
    streams = {}  # connection: [when its next token is due, tokens left]
    models = json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model", "max_model_len": 8192}]}).encode()
    chunk = lambda data: b"%x\r\n%s\r\n" % (len(data), data)
    say = lambda o: chunk(b"data: " + json.dumps(o).encode() + b"\n\n")
    token = say({"choices": [{"index": 0, "delta": {"content": "tok "}}]})
    end = say({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}) + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
    got = {}

    def leave(c):
        select.unregister(c)
        streams.pop(c, None), got.pop(c)
        c.close()
    while True:
        for key, _ in select.select(0.002):
            c = key.fileobj
            if c is listener:
                c, _ = listener.accept()
                c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                select.register(c, selectors.EVENT_READ)
                got[c] = b""
                continue
            try:
                part = c.recv(65536)
            except OSError:
                part = b""
            if not part:
                leave(c)
                continue
            got[c] += part
            head = got[c].find(b"\r\n\r\n")
            length = [int(line.split(b":")[1]) for line in got[c][:max(head, 0)].lower().split(b"\r\n") if line.startswith(b"content-length")]
            if head < 0 or len(got[c]) < head + 4 + sum(length):
                continue
            if got[c].startswith(b"GET"):
                c.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(models), models))
            else:
                c.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
                streams[c] = [time.perf_counter(), TOKENS]
            got[c] = b""
        now = time.perf_counter()
        for c, s in list(streams.items()):
            if s[0] > now:
                continue
            try:
                c.sendall(token if s[1] else end)
            except OSError:
                leave(c)
                continue
            s[0], s[1] = s[0] + TOKEN_MS / 1000, s[1] - 1
            if s[1] < 0:
                del streams[c]


def prepare(home, port):
    (home / "config").write_text(f"history = no\nanswer-endpoint = http://127.0.0.1:{port}/v1\nanswer-endpoint-model = {MODEL}\nanswers_at_once = 512\n"
                                 f"http_idle_seconds = 3600\naudit_bytes = 64M\nuser_rate = 0\n")


class Link:
    """One connection, kept alive; what is not read yet."""

    def __init__(self, port, select):
        self.s = socket.create_connection(("127.0.0.1", port))
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.got, self.due = bytearray(), None
        select.register(self.s, selectors.EVENT_READ, self)

    def post(self, path, body):
        text = json.dumps(body).encode()
        self.s.sendall(b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % (path, len(text)) + text)


def stream(port, seconds, told):
    """The clients that read, in a process of their own: how many tokens came, and how many failed."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": "go on"}], "stream": True, "max_tokens": TOKENS}
    select = selectors.DefaultSelector()
    links = []
    for _ in range(STREAMS):
        link = Link(port, select)
        link.post(b"/v1/chat/completions", body)
        links.append(link)
        time.sleep(TOKEN_MS / 1000 / STREAMS)
    tokens = failed = 0
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        for key, _ in select.select(0.5):
            link = key.data
            part = link.s.recv(65536)
            if not part:
                failed += 1
                select.unregister(link.s)
                continue
            tokens += part.count(b'"content":"')
            failed += part.count(b'"error"')
            link.got[:] = link.got[-16:] + part
            if link.got.endswith(b"0\r\n\r\n"):  # the end of this answer: ask for another
                link.got.clear()
                link.post(b"/v1/chat/completions", body)
    told.send((tokens, failed))


def searches(port, asked, seconds, at):
    """An open loop; at(second) is called now and then."""
    select = selectors.DefaultSelector()
    free, opened, took, failed, n = [], 0, [], 0, 0
    begun = time.perf_counter()
    until = begun + seconds
    while time.perf_counter() < until or len(free) < opened:
        now = time.perf_counter()
        due = begun + n / RATE
        if due <= now < until:
            link = free.pop() if free else Link(port, select)  # one that asks nothing at once is closed
            opened += not link.got and link.due is None
            link.due = due
            link.post(b"/v1/search", {"query": asked[n % len(asked)], "all_repos": True})
            n += 1
            continue
        for key, _ in select.select(max(0, min(due, until) - now) if now < until else 1):
            link = key.data
            part = link.s.recv(1 << 20)
            if not part:
                sys.exit(f"the server closed a connection in the middle: {bytes(link.got[:300])}")
            link.got += part
            head = link.got.find(b"\r\n\r\n")
            if head < 0:
                continue
            length = int(next(line.split(b":")[1] for line in bytes(link.got[:head]).lower().split(b"\r\n") if line.startswith(b"content-length")))
            if len(link.got) < head + 4 + length:
                continue
            took.append((time.perf_counter() - link.due) * 1e3)
            failed += not link.got.startswith(b"HTTP/1.1 200")
            link.got.clear()
            free.append(link)
        at(time.perf_counter() - begun)
    return sorted(took), failed


def idle_connection(port):
    """One that has asked something, and stays."""
    s = socket.create_connection(("127.0.0.1", port))
    s.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    got = b""
    while not got.endswith(b"ok\n"):
        part = s.recv(4096)
        if not part:
            sys.exit("the server closed an idle connection")
        got += part
    return s


def measure(home, clones, chunks):
    asked, env = questions(clones), environment(home)
    subprocess.run([RELEASE / "codeask", "stop"], env=env, capture_output=True)
    ours, theirs = multiprocessing.Pipe()
    model = multiprocessing.Process(target=endpoint, args=(theirs,), daemon=True)
    model.start()
    prepare(home, ours.recv())
    server = subprocess.Popen([RELEASE / "codeaskd", "--listen", "127.0.0.1:0"], env=env, stderr=subprocess.PIPE, text=True)
    try:
        line = ""
        while "listens on http://" not in line:
            line = server.stderr.readline()
            if not line:
                sys.exit("the server did not start")
        # a pipe that nobody reads would fill
        threading.Thread(target=server.stderr.read, daemon=True).start()
        port, pid = int(line.split(":")[-1]), server.pid
        _, failed = searches(port, asked, 10, lambda s: None)  # caches of a server that has run before
        idle = [idle_connection(port) for _ in range(IDLE)]
        here, there = multiprocessing.Pipe()
        readers = multiprocessing.Process(target=stream, args=(port, SECONDS + 5, there))
        readers.start()
        time.sleep(3)
        early, window = min(60, SECONDS / 2), min(30, SECONDS / 4)
        memory, cpu = [], cpu_seconds(pid)  # a value a second

        def at(second):
            if second >= len(memory):
                memory.append(anonymous_mb(pid))
        took, failed = searches(port, asked, SECONDS, at)
        median = lambda begin: statistics.median(memory[int(begin):int(begin + window)])
        first, last = median(early - window / 2), median(SECONDS - window)
        used = (cpu_seconds(pid) - cpu) / SECONDS
        alive = 0
        for s in idle:
            s.setblocking(False)
            try:
                alive += s.recv(1) != b""
            except BlockingIOError:
                alive += 1
        tokens, broken = here.recv()
        readers.join()
    finally:
        server.terminate()
        server.wait(60)
        model.terminate()
    common = {"against": f"{STREAMS} streams of {1000 // TOKEN_MS} tokens/s, {IDLE} idle connections ({alive} alive at the end), {RATE} searches/s over HTTP, {chunks} chunks, {SECONDS:.0f} s",
              "ratio": None, "answers": len(took), "failed": failed + broken, "cpu": round(used, 2), "load": os.getloadavg()[0]}
    whole = chunks >= CHUNKS and not failed and not broken and alive == IDLE
    yield {"name": ROWS[0], "value": share(took, .99), "unit": "ms", "goal": 100 if whole else None, **common, "p50": round(statistics.median(took), 1)}
    yield {"name": ROWS[1], "value": last / first, "unit": f"of that after {early:.0f} s", "goal": 1.05 if whole and SECONDS >= 600 else None, **common,
           "mb": round(last, 1), "most_mb": round(max(memory), 1)}
    yield {"name": ROWS[2], "value": tokens / (SECONDS + 5) / STREAMS, "unit": "tokens/s a client", "goal": None, **common}


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))
    on_corpus(ROWS, measure)
