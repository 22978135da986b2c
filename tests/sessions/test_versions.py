"""Builds that meet: this one, and the same sources as version 0.2.0 of protocol 2 and 0.3.0 of protocol 3 (tests/sessions/CMakeLists.txt).
Where no build shows how it would go, a stand-in listens in the daemon's place."""
import json
import os
import socket
import subprocess
import threading

from lib import BUILD, Rpc, big_sources, ended, main, wait_for

NEXT, LAST = BUILD / "versions" / "2", BUILD / "versions" / "3"
FILES = 120


def client(w, build, *args, cwd=None, code=0, timeout=120):
    """What a client of another build prints with --json."""
    r = subprocess.run([build / "codeask", *map(str, args), "--json"], cwd=cwd or w.root, env=w.env, stdin=subprocess.DEVNULL,
                       capture_output=True, text=True, timeout=timeout)
    assert r.returncode == code, f"exit {r.returncode}, wanted {code}: {r.stdout}{r.stderr}"
    return json.loads(r.stdout)


def listens(w, protocol):
    """The daemon that listens speaks it; its process."""
    with Rpc(w.socket) as c:
        assert c.hello["codeask"] == protocol, c.hello
        return c.hello["pid"]


def busy_home(w):
    """A home of this build in the middle of its work: a repository is asked for, an answer was judged."""
    repo = w.repo(files=big_sources(FILES))
    small = w.repo("small")
    w.json("index", cwd=small)
    answer = w.json("ask", "how is a failed request tried again?", cwd=small)
    w.json("feedback", answer["id"], "good", cwd=small)
    w.json("index", "--no-wait", cwd=repo)
    status = w.json("status")
    assert status["jobs"] and status["feedback"] == 1, status
    return repo, small, status


def whole(w, ask, repo, small, was):
    """Nothing of it is lost, and what was begun is brought to its end."""
    rows = {r["repo"]: r for r in ask("status")["repos"]}
    assert {"courier", "small"} == set(rows), rows
    assert ask("status")["feedback"] == 1
    assert ask("status")["generation"] >= was["generation"]
    wait_for(lambda: not ask("status")["jobs"], "the end of the jobs", 120)
    for i in (0, FILES // 2, FILES - 1):
        hits = ask("search", f"step_{i}_7", cwd=repo)["results"]
        assert hits and hits[0]["path"] == f"gen/m{i:04}.py", (i, hits)
    assert ask("search", "retry policy", cwd=small)["results"][0]["path"] == "src/retry.py"
    for r in ask("status")["repos"]:
        assert r["freshness"]["embedded"] == 1 or not w.env.get("CODEASK_MODELS"), r


def replaced_by(w, build, protocol):
    repo, small, was = busy_home(w)
    old = listens(w, 1)
    client(w, build, "repo", "list")
    new = listens(w, protocol)
    assert new != old and ended(old)
    resumed = client(w, build, "status")
    assert resumed["jobs"] and resumed["jobs"][0]["repo"] == "courier", resumed["jobs"]
    whole(w, lambda *args, **how: client(w, build, *args, **how), repo, small, was)
    assert listens(w, protocol) == new
    client(w, build, "stop")


def test_newer_client_replaces(w):
    replaced_by(w, NEXT, 2)


def test_much_newer_client_replaces(w):
    replaced_by(w, LAST, 3)


def test_who_waits_asks_the_next_one(w):
    """A request that waits for an index while a newer client replaces the daemon is asked again, of the new one."""
    repo = w.repo(files=big_sources(FILES))
    w.json("repo", "list")
    old = listens(w, 1)
    waits = w.popen(BUILD / "codeask", "index", "-C", repo)
    wait_for(lambda: w.json("status")["jobs"], "the job")
    client(w, NEXT, "repo", "list")
    assert waits.wait(120) == 0, waits.stderr.read()
    assert listens(w, 2) != old
    client(w, NEXT, "stop")


def test_who_waits_starts_no_stopped_one(w):
    repo = w.repo(files=big_sources(FILES))
    w.json("repo", "list")
    waits = w.popen(BUILD / "codeask", "index", "--json", "-C", repo)
    wait_for(lambda: w.json("status")["jobs"], "the job")
    assert w.run("stop").returncode == 0
    assert waits.wait(60) == 2 and '"code":"stopping"' in waits.stdout.read()
    assert not w.socket_answers()


def test_newer_clients_at_once(w):
    repo, small, was = busy_home(w)
    old, said = listens(w, 1), []
    asking = [threading.Thread(target=lambda: said.append(client(w, NEXT, "search", "retry policy", cwd=small))) for _ in range(6)]
    for t in asking:
        t.start()
    for t in asking:
        t.join(120)
    assert len(said) == len(asking) and all(s["results"] for s in said), said
    assert listens(w, 2) != old and ended(old)
    whole(w, lambda *args, **how: client(w, NEXT, *args, **how), repo, small, was)
    client(w, NEXT, "stop")


def test_older_client_asks_a_newer_daemon(w):
    small = w.repo("small")
    client(w, NEXT, "index", cwd=small)
    pid = listens(w, 2)
    assert w.json("search", "retry policy", cwd=small)["results"]
    assert w.json("status")["pid"] == pid and w.run("doctor").returncode in (0, 1)
    assert listens(w, 2) == pid, "an older client leaves it alone"
    assert w.run("stop").returncode == 0 and ended(pid)


def test_much_older_client(w):
    client(w, LAST, "repo", "list")
    pid = listens(w, 3)
    for args in (["repo", "list"], ["status"], ["stop"]):
        o = w.json(*args, code=2)["error"]
        assert o["code"] == "version" and "0.1.0" in o["message"] and "0.3.0" in o["message"] and "install" in o["hint"], o
    assert listens(w, 3) == pid
    client(w, LAST, "stop")


def test_newer_client_of_a_managed_daemon(w):
    """It speaks one version back; it never ends what a service manager runs."""
    small = w.repo("small")
    daemon = w.daemon()
    client(w, NEXT, "index", cwd=small)
    assert client(w, NEXT, "search", "retry policy", cwd=small)["results"]
    assert daemon.poll() is None and listens(w, 1) == daemon.pid


def test_much_newer_client_of_a_managed_daemon(w):
    small = w.repo("small")
    daemon = w.daemon()
    for args in (["search", "retry"], ["repo", "list"], ["status"]):
        o = client(w, LAST, *args, cwd=small, code=2)["error"]
        assert o["code"] == "version" and "0.1.0" in o["message"] and "0.3.0" in o["message"], o
        assert "systemctl --user restart codeaskd" in o["hint"] and "codeask stop" in o["hint"], o
    assert daemon.poll() is None and listens(w, 1) == daemon.pid
    client(w, LAST, "stop") # as the hint says
    assert daemon.wait(10) == 0


# -- stand-ins ------------------------------------------------------------------------------------------------------------


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


def test_asks_an_older_daemon_to_stop_first(w):
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


def test_names_both_versions(w):
    s = fake_daemon(w, {"codeask": 7, "build": "9.0.0+5", "pid": 77, "autostarted": False}, lambda c, m, s: False)
    o = w.json("repo", "list", code=2)
    assert o["error"]["code"] == "version" and "9.0.0+5" in o["error"]["message"] and "0.1.0" in o["error"]["message"], o
    s.close()


if __name__ == "__main__":
    main(globals())
