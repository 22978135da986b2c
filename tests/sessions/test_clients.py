"""Clients that vanish, read slowly, cancel, send garbage; a daemon that is killed under them."""
import json
import os
import signal
import socket
import time

from lib import CODEASK, Rpc, big_sources, main, process, wait_for, write


def test_sigterm_drains(w):
    w.config("embed = no\n")
    repo = w.repo(files=big_sources(300))
    d = w.daemon()
    with Rpc(w.socket) as c:
        c.request(1, "index", dir=str(repo))
        wait_for(lambda: "params" in c.receive(), "progress")
        d.send_signal(signal.SIGTERM)
        end = c.answer(1)
        assert end["error"]["data"]["code"] == "stopping" and "resumes" in end["error"]["message"], end
    assert d.wait(20) == 0, d.stderr.read()
    assert not os.path.exists(w.socket)
    d = w.daemon()  # and takes the work up again by itself
    wait_for(lambda: w.json("status")["repos"][0]["freshness"], "the index", 60)
    assert w.json("status")["repos"][0]["files"] == 300


def test_kill_and_resume(w):
    w.config("embed = no\n")
    repo = w.repo(files=big_sources(800))
    p = w.popen(CODEASK, "index", "-C", repo)
    wait_for(w.socket_answers, "the daemon")
    with Rpc(w.socket) as c:
        def cutting(id=iter(range(1, 10**6))):
            n = next(id)
            c.request(n, "status")
            return any(j["files_done"] for j in c.answer(n)["result"]["jobs"])
        wait_for(cutting, "the job to be in the middle")
        os.kill(c.hello["pid"], signal.SIGKILL)
    assert p.wait(120) == 0, "the client starts another daemon and asks again: " + p.stderr.read()
    assert w.json("status")["repos"][0]["files"] == 800
    for i in (0, 417, 799):
        assert w.json("search", f"step_{i}_7", cwd=repo)["results"][0]["path"] == f"gen/m{i:04}.py"


def test_killed_many_times(w):
    w.config("embed = no\n")
    repo = w.repo(files=big_sources(150))
    for i in range(int(os.environ.get("CODEASK_TEST_LONG", 0)) * 45 + 5):
        w.run("index", "--no-wait", cwd=repo)
        time.sleep(0.03 * (i % 9))
        os.kill(w.pid(), signal.SIGKILL)
    assert w.run("index", cwd=repo).returncode == 0
    assert w.json("search", "step_149_29", cwd=repo)["results"][0]["path"] == "gen/m0149.py"


def test_client_that_vanishes(w):
    w.config("embed = no\n")
    repo = w.repo(files=big_sources(200))
    w.daemon()
    for _ in range(20):
        c = Rpc(w.socket)
        for i in range(5):
            c.request(i, "search", dir=str(repo), query="step value")
        c.request(9, "index", dir=str(repo))
        c.close()
    wait_for(lambda: w.json("status")["requests"] == 1, "the requests of clients that are gone to end")
    assert w.json("search", "step_7_7", cwd=repo)["results"]


def test_slow_reader(w):
    w.config("embed = no\n")
    repo = w.repo(files=big_sources(40))
    w.daemon()
    w.run("index", cwd=repo)
    with Rpc(w.socket) as slow:
        slow.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for i in range(60):  # some 20 MB of answers that nobody reads
            slow.request(i, "search", dir=str(repo), query="step value total", limit=1000)
        time.sleep(0.5)
        began = time.monotonic()
        assert w.json("search", "step_7_7", cwd=repo)["results"]
        assert time.monotonic() - began < 10, "one slow reader held up another client"
        seen = set()
        while len(seen) < 60: # progress notifications, which have no id, may stand between them
            seen.add(slow.receive().get("id"))
            seen.discard(None)
        assert seen == set(range(60))


def test_cancel_over_the_socket(w):
    repo = w.repo(files=big_sources(200))
    w.daemon()
    with Rpc(w.socket) as c:
        c.request(1, "index", dir=str(repo))
        c.send({"jsonrpc": "2.0", "method": "cancel", "params": {"id": 1}})
        assert c.answer(1)["error"]["data"]["code"] == "canceled"
        c.request(2, "index", dir=str(repo), timeout=1)
        end = c.answer(2)
        assert "result" in end or end["error"]["data"]["code"] == "timeout", end


def test_interrupt_ends_the_wait(w):
    w.config("embed = no\n")
    repo = w.repo(files=big_sources(300))
    w.daemon()
    p = w.popen(CODEASK, "index", "-C", repo)
    wait_for(lambda: w.json("status")["jobs"], "the job")
    p.send_signal(signal.SIGINT)
    assert p.wait(10) == 130 and "goes on" in p.stderr.read()
    wait_for(lambda: w.json("status")["repos"][0]["files"] == 300, "the work to go on", 60)


def test_garbage_on_the_socket(w):
    w.daemon()
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100 + b"\n", b"{}\n", b'{"codeask":99}\n', b"[" * 5000 + b"\n"):
        c = Rpc(w.socket, greet=False)
        c.s.sendall(garbage)
        assert "error" in c.receive()
        try:
            c.receive()
            assert False, "still open"
        except (EOFError, ConnectionResetError):
            pass
        c.close()
    c = Rpc(w.socket)
    try:
        for _ in range(300):
            c.s.sendall(b"x" * 65536)
    except OSError:
        pass
    c.close()
    assert w.run("status").returncode == 0


def cmdline(pid):
    try:
        return open(f"/proc/{pid}/cmdline", "rb").read()
    except OSError:
        return b""


def test_a_slow_model_delays_an_answer_and_no_writer(w):
    repo = w.repo()
    w.json("index", cwd=repo)
    quick = w.json("search", "how often is a request tried again", cwd=repo)
    if not quick["vectors"]:
        print("no model: skipped")
        return
    daemon = (w.home / "lock").read_text().strip()
    engine = next(int(p) for p in os.listdir("/proc") if p.isdigit() and (process(p) or [0, 0])[1] == daemon and b"--engine" in cmdline(p))
    os.kill(engine, signal.SIGSTOP)
    asker = w.popen(CODEASK, "search", "--json", "-C", repo, "how often is a request tried again")
    time.sleep(0.3)
    write(repo, {"src/late.py": "def written_meanwhile():\n    pass\n"})
    wait_for(lambda: w.json("search", "--regex", "written_meanwhile", cwd=repo, code=None)["results"], "the saved file", 10)
    os.kill(engine, signal.SIGCONT)
    o = json.loads(asker.communicate(timeout=30)[0])
    assert o["vectors"] and [r["path"] for r in o["results"]][0] == quick["results"][0]["path"], o


if __name__ == "__main__":
    main(globals())
