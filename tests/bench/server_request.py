"""Row server.request_vs_socket: a search over HTTP on a connection that is kept, beside the same search over the Unix socket; medians of the same
run, one after the other in turns. The repository: this one's own C."""
import http.client
import json
import os
import pathlib
import socket
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RELEASE = pathlib.Path(os.environ.get("CODEASK_BENCH_RELEASE", ROOT / "build" / "release"))
ROW, TURNS, GOAL = "server.request_vs_socket", 500, 2
QUESTION = "where is a batch written to the store?"


def over_socket(home):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.connect(str(home / "codeaskd.sock"))
    file = s.makefile("rw")
    file.readline()
    file.write('{"codeask":1,"build":"bench"}\n')

    def ask(i):
        file.write(json.dumps({"jsonrpc": "2.0", "id": i, "method": "search", "params": {"query": QUESTION, "all_repos": True, "dir": "/"}}) + "\n")
        file.flush()
        while json.loads(file.readline()).get("id") != i:
            pass
    return ask


def over_http(port):
    c = http.client.HTTPConnection("127.0.0.1", port)

    def ask(i):
        c.request("POST", "/v1/search", json.dumps({"query": QUESTION, "all_repos": True}))
        r = c.getresponse()
        assert r.status == 200
        json.loads(r.read())
    return ask


def main():
    with tempfile.TemporaryDirectory(prefix="codeask-request-") as scratch:
        home = pathlib.Path(scratch)
        env = {**{k: v for k, v in os.environ.items() if not k.startswith("CODEASK_")}, "CODEASK_HOME": str(home)}
        (home / "config").write_text("embed = no\nhistory = no\n")
        subprocess.run([RELEASE / "codeask", "index", "-C", ROOT], env=env, check=True, capture_output=True)
        subprocess.run([RELEASE / "codeask", "stop"], env=env, check=True, capture_output=True)
        server = subprocess.Popen([RELEASE / "codeask", "serve", "--listen", "127.0.0.1:0"], env=env, stderr=subprocess.PIPE, text=True)
        try:
            line = server.stderr.readline()
            ways = {"http": over_http(int(line.split("http://127.0.0.1:")[1].split()[0])), "socket": over_socket(home)}
            took = {name: [] for name in ways}
            for i in range(TURNS):
                for name, ask in ways.items():
                    began = time.perf_counter()
                    ask(i)
                    took[name].append((time.perf_counter() - began) * 1e3)
        finally:
            server.terminate()
            server.wait(30)
    ms = {name: round(statistics.median(t[TURNS // 10:]), 3) for name, t in took.items()}
    print(json.dumps({"name": ROW, "value": ms["http"] / ms["socket"], "unit": "of the socket's time", "goal": GOAL, "against": "the same search over the Unix socket", **{f"{k}_ms": v for k, v in ms.items()}}))


if __name__ == "__main__":
    main()
