"""No byte leaves the machine: all that the programs do is watched by strace, and every connect and send that was tried is looked at, whether or
not it came through. With CODEASK_TEST_LONG=1 the other session tests run so too."""
import functools
import http.client
import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading

from lib import BUILD, CODEASK, DAEMON, Told, main, wait_for

TRACE = ["strace", "-f", "-qq", "--seccomp-bpf", "-s", "200", "-e", "signal=none", "-e", "trace=connect,sendto,sendmsg,sendmmsg"]
CALL = re.compile(r"^\d+\s+(?:<\.\.\. )?(connect|sendto|sendmsg|sendmmsg)\b(.*)$")
FAMILY = re.compile(r"sa_family=(AF_\w+)")
LOOPBACK = re.compile(r'inet_addr\("127\.[0-9.]+"\)|inet_pton\(AF_INET6, "(::1|::ffff:127\.[0-9.]+)"')


def tried(log):
    """(call, family, line) of each address that something was sent to."""
    found = []
    for line in log.read_text(errors="replace").splitlines():
        call, family = CALL.match(line), FAMILY.search(line)
        if call and family:
            found.append((call[1], family[1], line))
    return found


def leaks(calls, ports):
    """What went, or was to go, anywhere but to this machine: any foreign address, any port that nobody here opened."""
    out = []
    for _, family, line in calls:
        port = re.search(r"sin6?_port=htons\((\d+)\)", line)
        if family in ("AF_INET", "AF_INET6"):
            if not LOOPBACK.search(line) or not port or (int(port[1]) not in ports and int(port[1]) != 0):
                out.append(line)
        elif family not in ("AF_UNIX", "AF_NETLINK", "AF_UNSPEC"):
            out.append(line)
    return out


def watched(w, log, script):
    """Runs a shell script, and every process that it starts, under strace."""
    return subprocess.run([*TRACE, "-o", str(log), "sh", "-c", script], env=w.env, cwd=w.root, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=170)


def serve(folder):
    """a server on this machine: the one that `model pull` is told to ask"""
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def test_every_command(w):
    repo = w.repo()
    w.git(repo, "remote", "add", "origin", "https://192.0.2.1/courier.git")  # of nobody: a try would be seen
    (repo / ".gitmodules").write_text('[submodule "x"]\n\tpath = x\n\turl = https://192.0.2.1/x.git\n')
    (w.root / "models").mkdir()
    (w.root / "models" / "none.gguf").write_bytes(b"GGUF" + bytes(60))
    models = serve(w.root / "models")
    steps = ["index", "'where is the retry policy?'", "ask --no-generate 'who calls RetryPolicy?'", "search backoff", "search --regex 'retr[a-z]+'", "symbol --callers RetryPolicy",
             "history src/retry.py:5", "tour", "status", "doctor", "doctor --privacy", "inspect src/retry.py", "repo list", "model list", "model verify all-MiniLM-L6-v2",
             f"model pull http://127.0.0.1:{models.server_port}/none.gguf", "token create ada", "access grant ada courier", "feedback x good", f"backup {w.root}/backup"]
    script = f"cd {repo}\n" + "".join(f"echo '== {n}' >&2; {CODEASK} {step}\n" for n, step in enumerate(steps))
    script += "".join(f"printf %s '{text}' | {CODEASK} {name} >/dev/null\n" for name, text in (
        ("mcp", json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}) + "\n"),
        ("lsp", "Content-Length: 2\r\n\r\n{}")))
    log = w.root / "trace"
    done = watched(w, log, script + f"{CODEASK} stop\n")
    assert "RetryPolicy" in done.stdout and "all embedded" in done.stdout, done.stdout + done.stderr
    calls = tried(log)
    assert sum(f == "AF_UNIX" for _, f, _ in calls) >= len(steps) // 2, "the watch sees the clients"
    pulled = [line for _, f, line in calls if f == "AF_INET"]
    assert pulled and all(f"htons({models.server_port})" in line for line in pulled), pulled
    assert leaks(calls, {models.server_port}) == []
    assert leaks(calls, set()), "the pull would be a leak if nobody had asked for it"
    told = w.json("doctor", "--privacy")
    assert told["ok"] and {c["name"] for c in told["checks"]} >= {"sends", "listens", "downloads", "remotes", "readers"}


def test_server_and_generator(w):
    repo = w.repo()
    Told(w, "say It doubles.\n")
    log = w.root / "trace"
    p = w.popen(*TRACE, "-o", log, DAEMON, "--listen", "127.0.0.1:0")
    line = p.stderr.readline()
    port = int(re.search(r"127\.0\.0\.1:(\d+)", line)[1])
    assert w.run("index", cwd=repo).returncode == 0
    for method, path, body in [("POST", "/v1/ask", {"query": "how long is the wait before a retry?", "repo": ["courier"]}), ("POST", "/v1/search", {"query": "https://192.0.2.1/x", "repo": ["courier"]}),
                               ("GET", "/", None), ("GET", "/metrics", None), ("GET", "/openapi.json", None)]:
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        c.request(method, path, json.dumps(body) if body else None)
        assert c.getresponse().status == 200, path
        c.close()
    w.run("stop")
    wait_for(lambda: p.poll() is not None, "the end")
    calls = tried(log)
    assert "sendto(" in log.read_text(errors="replace"), "the watch sees the answers go"
    assert leaks(calls, set()) == []


def test_all_sessions(w):
    """The whole suite so: what it opens on this machine may be spoken to, nothing else."""
    if not os.environ.get("CODEASK_TEST_LONG"):
        print("      (the other session tests run so with CODEASK_TEST_LONG=1)", flush=True)
        return
    env = {k: v for k, v in os.environ.items() if k != "CODEASK_TEST_LONG"}
    folder = pathlib.Path(__file__).resolve().parent
    apart = {"test_privacy.py", "test_page.py", "test_package.py", "test_mcp.py", "test_lsp_types.py", "test_vscode.py", "test_model_check.py", "test_openai.py",
             "test_mcp_http.py"}  # a browser, and clients out of packages, which are installed first: not ours
    for test in sorted(folder.glob("test_*.py")):
        if test.name in apart:
            continue
        log = w.root / f"{test.stem}.trace"
        done = subprocess.run([*TRACE, "-o", log, sys.executable, test, BUILD], cwd=folder, env=env, capture_output=True, text=True, timeout=1800)
        assert done.returncode in (0, 77), (test.name, done.stdout[-3000:])
        calls = tried(log)
        foreign = [line for _, f, line in calls if f in ("AF_INET", "AF_INET6") and not LOOPBACK.search(line)]
        assert not foreign, (test.name, foreign[:5])
        print(f"      {test.stem}: {len(calls)} calls", flush=True)


if __name__ == "__main__":
    if not shutil.which("strace") or subprocess.run(["strace", "-f", "--seccomp-bpf", "-qq", "true"], capture_output=True).returncode:
        print("no strace, or it may not watch here: the package strace is wanted")
        sys.exit(77)
    main(globals())
