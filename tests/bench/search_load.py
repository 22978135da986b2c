"""Rows search.*: the daemon under load. 32 connections, an open loop of 100 distinct questions a second in total, each latency
counted from the time at which it was due to be sent; then, in a closed loop, as many as it can.

The corpus: clones of CODEASK_BENCH_REPOS, one after the other until there are 200k chunks, all searched together. Their vectors
are random ones (tests/tools/vectors_fill), because 200k real ones take an hour and cost a search the same; a question's
vector is the model's. Questions: subjects of the clones' commits, then comment lines of their sources.

Nothing is left to embed (history = no: the vectors of the clones' messages would take an hour, too). The rows search.behind_* are
measured once more while those messages are embedded behind the searches.
"""
import json
import os
import pathlib
import re
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RELEASE = pathlib.Path(os.environ.get("CODEASK_BENCH_RELEASE", ROOT / "build" / "release"))
ROWS = ("search.p50_ms", "search.p99_ms", "search.max_qps", "search.rss_mb", "search.behind_p50_ms", "search.behind_p99_ms")
CHUNKS, CONNECTIONS, RATE = 200_000, 32, 100
SECONDS = float(os.environ.get("CODEASK_BENCH_SECONDS", 30))


def environment(home):
    env = {k: v for k, v in os.environ.items() if not k.startswith("CODEASK_")}
    env.update(CODEASK_HOME=str(home), CODEASK_MODELS=str(RELEASE / "share" / "codeask" / "models"))
    return env


def corpus(home, clones):
    """indexes clones until there are enough chunks; returns the clones and the number of chunks"""
    env, chunks, used = environment(home), 0, []
    model = RELEASE / "share" / "codeask" / "models" / "all-MiniLM-L6-v2"
    for clone in sorted(p for p in pathlib.Path(clones).iterdir() if (p / ".git").exists()):
        if chunks >= CHUNKS:
            break
        (home / "config").write_text("embed = no\n")
        subprocess.run([RELEASE / "codeask", "index", "-C", clone], env=env, check=True, capture_output=True)
        subprocess.run([RELEASE / "codeask", "stop"], env=env, check=True, capture_output=True)
        filled = subprocess.run([RELEASE / "vectors_fill", home, model], check=True, capture_output=True, text=True).stdout
        chunks += int(re.search(r"of (\d+) chunks", filled).group(1))
        used.append(clone)
        print(f"{clone.name}: {chunks} chunks", flush=True)
    return used, chunks


def questions(clones):
    found = {}
    for clone in clones:
        log = subprocess.run(["git", "-C", clone, "log", "--no-merges", "--format=%s", "-2000"], capture_output=True, text=True, errors="replace")
        for line in log.stdout.splitlines():
            if 20 < len(line) < 160:
                found[line] = None
    subjects = list(found)
    found = {}
    for clone in clones:
        lines = subprocess.run(["git", "-C", clone, "grep", "-hIE", r"^\s*(#|//|\*) [A-Z][a-z]+( [a-z]+){4,14}\.$"], capture_output=True,
                               text=True, errors="replace").stdout.splitlines()
        for line in lines[:: max(1, len(lines) // 2000)]:
            found[line.strip(" \t#/*")] = None
    comments = list(found)
    # a fixed shuffle, so that neighbours are about different repositories
    return sorted(subjects, key=hash_of) + sorted(comments, key=hash_of)


def hash_of(text):
    h = 0
    for c in text.encode():
        h = (h * 131 + c) % 1000003
    return h


class Load:
    def __init__(self, path, asked):
        self.asked, self.next, self.due, self.took, self.failed = asked, 0, {}, [], 0
        self.select = selectors.DefaultSelector()
        self.links = []
        for _ in range(CONNECTIONS):
            s = socket.socket(socket.AF_UNIX)
            s.connect(str(path))
            s.sendall(b'{"codeask":1,"build":"bench"}\n')
            link = {"socket": s, "got": bytearray()}
            self.select.register(s, selectors.EVENT_READ, link)
            self.links.append(link)

    def send(self, link, due):
        self.next += 1
        self.due[self.next] = due
        message = {"jsonrpc": "2.0", "id": self.next, "method": "search",
                   "params": {"query": self.asked[self.next % len(self.asked)], "all_repos": True, "dir": "/"}}
        link["socket"].sendall(json.dumps(message).encode() + b"\n")

    def receive(self, wait):
        """takes what is there; returns the links whose answer came"""
        ready = []
        for key, _ in self.select.select(max(0, wait)):
            link = key.data
            got = link["socket"].recv(1 << 20)
            if not got:
                sys.exit("the daemon closed a connection")
            now = time.perf_counter()
            link["got"] += got
            while (end := link["got"].find(b"\n")) >= 0:
                # the id is all that is wanted: reading 10 snippets as JSON would cost the two cores more than the search
                head, tail = bytes(link["got"][:200]), bytes(link["got"][max(0, end - 60):end])
                del link["got"][:end + 1]
                number = re.search(rb'"id":(\d+)', head) or re.search(rb'"id":(\d+)\}$', tail)
                if number and b'"method"' not in head:
                    self.took.append((now - self.due.pop(int(number.group(1)))) * 1e3)
                    self.failed += b'"error"' in head
                    ready.append(link)
        return ready

    def drain(self, limit=60):
        end = time.perf_counter() + limit
        while self.due and time.perf_counter() < end:
            self.receive(0.1)
        self.failed += len(self.due)
        self.due.clear()

    def open_loop(self, rate, seconds):
        self.took, self.failed, n = [], 0, 0
        begun = time.perf_counter()
        while n < rate * seconds:
            due = begun + n / rate
            if due <= time.perf_counter():
                self.send(self.links[n % CONNECTIONS], due)
                n += 1
            else:
                self.receive(due - time.perf_counter())
        self.drain()
        return sorted(self.took)

    def closed_loop(self, seconds):
        self.took, self.failed = [], 0
        begun = time.perf_counter()
        for link in self.links:
            self.send(link, time.perf_counter())
        while time.perf_counter() - begun < seconds:
            for link in self.receive(0.1):
                self.send(link, time.perf_counter())
        n = len(self.took)
        self.drain()
        return n / seconds


def anonymous_mb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return sum(int(v) for v in re.findall(r"Rss(?:Anon|Shmem):\s+(\d+)", status)) / 1024


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def share(took, part):
    return took[min(len(took) - 1, int(len(took) * part))]


def warm(home, settings, asked):
    """a daemon that has begun, and its load"""
    env = environment(home)
    subprocess.run([RELEASE / "codeask", "stop"], env=env, capture_output=True)
    (home / "config").write_text(settings)
    subprocess.run([RELEASE / "codeask", "search", "--all-repos", "--json", "warm up"], cwd="/", env=env, capture_output=True, timeout=300)
    load = Load(home / "codeaskd.sock", asked)
    load.open_loop(20, 5)
    return load, int((home / "lock").read_text())


def measure(home, clones, chunks):
    asked = questions(clones)
    load, pid = warm(home, "history = no\n", asked)
    before, cpu, began = anonymous_mb(pid), cpu_seconds(pid), time.perf_counter()
    took = load.open_loop(RATE, SECONDS)
    failed = load.failed
    used = (cpu_seconds(pid) - cpu) / max(1, len(took)) * 1e3
    print(f"{len(took)} answers, {failed} failed, {len(load.asked)} distinct questions; the daemon's CPU {used:.1f} ms each, "
          f"p90 {share(took, .9):.1f} ms, longest {took[-1]:.1f} ms; load {os.getloadavg()[0]:.1f}", flush=True)
    qps = load.closed_loop(SECONDS / 2)
    after = anonymous_mb(pid)
    print(f"anonymous memory {before:.0f} MB before, {after:.0f} MB after {load.next} searches", flush=True)
    common = {"against": f"open loop, {RATE}/s over {CONNECTIONS} connections, {chunks} chunks with random vectors, real question vectors",
              "ratio": None, "answers": len(took), "failed": failed, "cpu_ms": round(used, 2), "load": os.getloadavg()[0]}
    enough = chunks >= CHUNKS
    yield {"name": ROWS[0], "value": statistics.median(took), "unit": "ms", "goal": 10 if enough else None, **common}
    yield {"name": ROWS[1], "value": share(took, .99), "unit": "ms", "goal": 30 if enough else None, **common}
    yield {"name": ROWS[2], "value": qps, "unit": "searches/s", **common, "against": f"closed loop, {CONNECTIONS} connections, {chunks} chunks"}
    yield {"name": ROWS[3], "value": after, "unit": "MB", "goal": 300 if enough else None, **common, "before": round(before, 1),
           "against": f"without the mapped index, after {load.next} searches"}
    load, _ = warm(home, "", asked)
    took = load.open_loop(RATE, SECONDS)
    common |= {"against": f"the same, while messages are embedded behind it; {chunks} chunks", "answers": len(took), "failed": load.failed,
               "cpu_ms": None, "load": os.getloadavg()[0]}
    yield {"name": ROWS[4], "value": statistics.median(took), "unit": "ms", **common}
    yield {"name": ROWS[5], "value": share(took, .99), "unit": "ms", **common}


def on_corpus(names, measure):
    """Prints the rows that measure(home, clones, chunks) gives on a home that holds the corpus, made for it or kept from before."""
    clones = os.environ.get("CODEASK_BENCH_REPOS", "")
    if not clones:
        for name in names:
            print(json.dumps({"name": name, "why": "CODEASK_BENCH_REPOS does not name a folder with clones"}))
        return
    kept = os.environ.get("CODEASK_BENCH_HOME")  # a home to make once and measure again
    home = pathlib.Path(kept or tempfile.mkdtemp(prefix="codeask-load-"))
    made = home / "bench-corpus.json"
    try:
        if made.exists():
            used, chunks = json.loads(made.read_text())
        else:
            home.mkdir(exist_ok=True)
            used, chunks = corpus(home, clones)
            made.write_text(json.dumps([[str(c) for c in used], chunks]))
        for row in measure(home, used, chunks):
            print(json.dumps(row), flush=True)
    finally:
        subprocess.run([RELEASE / "codeask", "stop"], env=environment(home), capture_output=True)
        if not kept:
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    on_corpus(ROWS, measure)
