"""How much one user of the server may ask, and that nobody else notices."""
import http.client
import json
import re
import time

from lib import Told, main, wait_for
from test_http import Server

QUESTION = {"query": "how long is the wait before a retry?"}


def served(w, config, script=None):
    repo = w.repo()
    told = Told(w, script, config) if script else None
    if not script:
        w.config("embed = no\n" + config)
    text = (w.home / "config").read_text()
    assert w.run("index", cwd=repo).returncode == 0
    who = {}
    for user in ("alice", "bob"):
        who[user] = {"Authorization": "Bearer " + w.run("token", "create", user).stdout.strip()}
        assert w.run("access", "grant", user, "courier").returncode == 0
    w.run("stop")
    return Server(w, text), who, told


def test_rate(w):
    s, who, _ = served(w, "user_rate = 60\nuser_burst = 3\n")
    paths = [("POST", "/v1/search", {"query": "retry"}), ("GET", "/v1/status", None), ("GET", "/v1/models", None)]
    for method, path, body in paths:
        assert s.ask(method, path, body, who["alice"])[0] == 200, path
    for method, path, body in paths:
        status, got, headers = s.ask(method, path, body, who["alice"])
        assert status == 429 and headers["retry-after"] == "1" and got["error"]["code"] == "busy" and "user_rate" in got["error"]["message"], (path, got)
    assert s.ask("POST", "/v1/search", {"query": "retry"}, who["bob"])[0] == 200, "another user"
    for _ in range(20):
        assert s.ask("POST", "/v1/search", {"query": "retry", "repo": ["courier"]})[0] == 200, "the owner"
    assert s.ask("GET", "/healthz", headers=who["alice"])[0] == 200
    time.sleep(1.1)
    assert s.ask("POST", "/v1/search", {"query": "retry"}, who["alice"])[0] == 200
    refused = [json.loads(line)["outcome"] for line in (w.home / "audit.jsonl").read_text().splitlines()]
    assert "busy" not in refused, "nobody pushes out rows by asking too much"
    # what is wrong counts, too
    time.sleep(2.1)
    wrong = [s.ask("POST", "/v1/search", {"nothing": 1}, who["alice"])[0] for _ in range(5)]
    assert wrong[0] == 400 and 429 in wrong and set(wrong) == {400, 429}, wrong


def test_open_requests(w):
    s, who, told = served(w, "user_open = 1\n", "say The wait\nsleep 20000\n")
    held = http.client.HTTPConnection("127.0.0.1", s.port, timeout=60)
    held.request("POST", "/v1/ask", json.dumps({**QUESTION, "stream": True}), who["alice"])
    wait_for(lambda: told.prompts(), "the model to be asked")
    for path, body in (("/v1/search", {"query": "retry"}), ("/v1/chat/completions", {"model": "codeask", "messages": [{"role": "user", "content": "retry"}]})):
        status, got, headers = s.ask("POST", path, body, who["alice"])
        assert status == 429 and headers["retry-after"] == "1" and "user_open" in got["error"]["message"], got
    assert s.ask("POST", "/v1/search", {"query": "retry"}, who["bob"])[0] == 200
    held.close()
    wait_for(lambda: s.ask("POST", "/v1/search", {"query": "retry"}, who["alice"])[0] == 200, "the place to be given back")


def test_answers_at_once(w):
    """Requests that wait for a model hold no worker: many are written at a time, searches go on, and the threads go when they are done."""
    s, who, told = served(w, "answers_at_once = 80\n", "say The wait is\nsleep 1500\nsay  long.\n")
    threads = lambda: int(re.search(r"Threads:\s+(\d+)", open(f"/proc/{s.p.pid}/status").read())[1])
    before, held = threads(), []
    body = json.dumps({"model": "told", "stream": True, "messages": [{"role": "user", "content": "go on"}]})
    for _ in range(50):  # 40 is half of them: a user's share
        c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=60)
        c.request("POST", "/v1/chat/completions", body, who["alice"])
        held.append(c)
    wait_for(lambda: told.prompts() == 40, "all of a user's to be asked at once", 20)
    assert s.ask("POST", "/v1/search", {"query": "exponential backoff"}, who["bob"])[0] == 200
    assert threads() >= before + 40
    c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=60)
    c.request("POST", "/v1/chat/completions", body, who["bob"])
    held.append(c)
    got = [c.getresponse().read().decode() for c in held]
    assert sum("long." in g for g in got) == 41 and "long." in got[-1] and sum('"error"' in g for g in got) == 10, [g[-200:] for g in got]
    wait_for(lambda: threads() <= before + 1, "the threads to end")
    assert s.ask("POST", "/v1/search", {"query": "exponential backoff"}, who["bob"])[0] == 200


if __name__ == "__main__":
    main(globals())
