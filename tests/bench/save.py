"""Row save.searchable_ms: in a repository of 50k files that is open and watched, from the end of a save to the arrival of the first
answer that shows the new word; the median of saves in place and of saves that rename a file into place. Asked without a pause
over one connection, without vectors. The repository: small Python files made on the spot.

Row overlay.save_bytes: what the daemon writes for one more saved file there, once it is looked at; the median. All that it passes
to the write calls while nobody asks: LMDB's pages, merges of small segments, the log.
"""
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
FILES, SAVES, PAUSE, GIVE_UP, GOAL = 50_000, 15, 1.5, 12, 300
BYTES_GOAL = 1 << 20


def make(repo):
    for i in range(FILES):
        path = repo / f"part{i % 40}" / f"group{i // 40 % 50}" / f"unit{i}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"import unit{(i * 7) % FILES}\n\n\ndef handle{i}(request):\n    return unit{(i * 7) % FILES}.handle(request, {i})\n")
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0"]
    for args in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "sources"]):
        subprocess.run(["git", *identity, "-C", repo, *args], check=True, capture_output=True)


class Client:
    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.s.connect(path)
        self.file, self.id = self.s.makefile("rw"), 0
        self.file.readline()
        self.write({"codeask": 1, "build": "bench"})

    def write(self, message):
        self.file.write(json.dumps(message) + "\n")
        self.file.flush()

    def ask(self, method, **params):
        self.id += 1
        self.write({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params})
        while True:
            m = json.loads(self.file.readline())
            if m.get("id") == self.id:
                return m["result"]


def save(client, repo, number, renamed):
    word, path = f"newword{number}x{os.getpid()}", repo / "part3" / "group7" / f"unit{3 + 40 * 7}.py"
    text = f"import unit5\n\n\ndef {word}(request):\n    return unit5.handle(request)\n"
    if renamed:
        path.with_suffix(".new").write_text(text)
        os.rename(path.with_suffix(".new"), path)
    else:
        path.write_text(text)
    begun = time.perf_counter()
    while time.perf_counter() - begun < GIVE_UP:
        found = client.ask("search", query=word, dir=str(repo))
        if any(word in json.dumps(r) for r in found["results"]):
            return (time.perf_counter() - begun) * 1000
    return GIVE_UP * 1000


def written(pid):
    io = pathlib.Path(f"/proc/{pid}/io").read_text()
    return int(next(line.split()[1] for line in io.splitlines() if line.startswith("wchar:")))


def save_bytes(repo, pid, number):
    before = written(pid)
    path = repo / "part3" / "group7" / f"unit{3 + 40 * 7}.py"
    path.write_text(f"import unit5\n\n\ndef quiet{number}(request):\n    return unit5.handle(request)\n")
    time.sleep(PAUSE)
    return written(pid) - before


def main():
    with tempfile.TemporaryDirectory(prefix="codeask-bench-") as tmp:
        repo, home = pathlib.Path(tmp) / "repo", pathlib.Path(tmp) / "home"
        repo.mkdir()
        home.mkdir(mode=0o700)
        (home / "config").write_text("embed = no\n")
        env = {k: v for k, v in os.environ.items() if not k.startswith("CODEASK_")}
        env.update(CODEASK_HOME=str(home), CODEASK_MODELS=str(RELEASE / "share" / "codeask" / "models"))
        make(repo)
        try:
            subprocess.run([RELEASE / "codeask", "index", "-C", repo], env=env, check=True, capture_output=True)
            client = Client(str(next(p for p in home.rglob("*") if p.is_socket())))
            for _ in range(100):
                client.ask("search", query="handle", dir=str(repo))
                watch = client.ask("status")["repos"][0]["watch"]
                if watch["state"] == "watching":
                    break
                time.sleep(.1)
            time.sleep(3)
            took = {}
            for renamed in (False, True):
                took[renamed] = []
                for i in range(SAVES):
                    took[renamed].append(save(client, repo, i + SAVES * renamed, renamed))
                    time.sleep(PAUSE)
            wrote = sorted(save_bytes(repo, client.ask("status")["pid"], i) for i in range(SAVES))
            found = client.ask("search", query=f"quiet{SAVES - 1}", dir=str(repo))
            assert any(f"quiet{SAVES - 1}" in json.dumps(r) for r in found["results"]), found
        finally:
            subprocess.run([RELEASE / "codeask", "stop"], env=env, capture_output=True)
    worst = max(statistics.median(t) for t in took.values())
    figures = {"name": "save.searchable_ms", "value": round(worst, 1), "unit": "ms", "goal": GOAL, "in_place": round(statistics.median(took[False]), 1),
               "renamed": round(statistics.median(took[True]), 1), "worst": round(max(map(max, took.values())), 1),
               "directories_watched": watch["directories"], "files": FILES}
    print(json.dumps(figures))
    print(json.dumps({"name": "overlay.save_bytes", "value": statistics.median(wrote), "unit": "bytes", "goal": BYTES_GOAL, "least": wrote[0],
                      "most": wrote[-1], "files": FILES}))


if __name__ == "__main__":
    main()
