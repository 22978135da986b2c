"""Rows writes.p99_ms and writes.vs_fdatasync: how long write transactions of the index keep other writers out (`status --json`, `writes`)
while repositories are indexed with their histories; first with the disk to themselves, then beside two loops of `dd conv=fsync` that saturate it. There the
figure is the disk's: a plain write of 4 KiB into a file that is long enough, and fdatasync, are timed beside it all the time, 20 ms apart.
`ratio`: the p99 of that probe over the transactions'. A transaction needs two syncs (its pages, then the page that names them), each
of them later than a bare one by what it writes.
The repositories: the clones in CODEASK_BENCH_REPOS by name, as many as give SOURCE bytes, else the grammars' packages.
"""
import json
import os
import pathlib
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RELEASE = pathlib.Path(os.environ.get("CODEASK_BENCH_RELEASE", ROOT / "build" / "release"))
GOAL, SYNCS, SOURCE, LARGEST, DD_MB, PAUSE = 50, 2, 20 << 20, 20 << 20, 200, .02
BLOCK, BLOCKS = 4096, 64


def size_of(folder):
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file() and not f.is_symlink() and ".git" not in f.parts)


def repositories():
    clones = os.environ.get("CODEASK_BENCH_REPOS", "")
    folder = pathlib.Path(clones) if clones else ROOT / "build" / "deps"
    taken, total = [], 0
    if not folder.is_dir():
        return taken, total
    for path in sorted(p for p in folder.iterdir() if p.is_dir()):
        size = size_of(path)
        if total < SOURCE and size < LARGEST:
            taken.append(path)
            total += size
    return taken, total


class Probe:
    """The disk's own time, from a thread; fdatasync gives up the interpreter's lock."""

    def __init__(self, folder):
        self.took, self.go = [], True
        self.fd = os.open(folder / "probe", os.O_RDWR | os.O_CREAT, 0o600)
        os.pwrite(self.fd, bytes(BLOCK * BLOCKS), 0)
        os.fsync(self.fd)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while self.go:
            n = len(self.took)
            begun = time.perf_counter()
            os.pwrite(self.fd, bytes([n & 255]) * BLOCK, BLOCK * (n % BLOCKS))
            os.fdatasync(self.fd)
            self.took.append((time.perf_counter() - begun) * 1000)
            time.sleep(PAUSE)

    def end(self):
        self.go = False
        self.thread.join()
        os.close(self.fd)
        return sorted(self.took)


def loop(folder, name, running):
    path = folder / name
    while running.is_set():
        subprocess.run(["dd", "if=/dev/zero", f"of={path}", "bs=1M", f"count={DD_MB}", "conv=fsync"], check=True, stderr=subprocess.DEVNULL)
    path.unlink(missing_ok=True)


def index(home, repos):
    """`writes` of the daemon that indexed them in a fresh home, the probe's times beside it, and the seconds"""
    home.mkdir(mode=0o700)
    (home / "config").write_text("embed = no\n")
    env = {k: v for k, v in os.environ.items() if not k.startswith("CODEASK_")}
    env.update(CODEASK_HOME=str(home), CODEASK_MODELS=str(RELEASE / "share" / "codeask" / "models"))
    probe, begun = Probe(home.parent), time.perf_counter()
    try:
        for repo in repos:
            subprocess.run([RELEASE / "codeask", "index", "-C", repo], env=env, check=True, capture_output=True)
        took = time.perf_counter() - begun
        status = json.loads(subprocess.run([RELEASE / "codeask", "status", "--json"], env=env, check=True, capture_output=True).stdout)
    finally:
        times = probe.end()
        subprocess.run([RELEASE / "codeask", "stop"], env=env, capture_output=True)
    return status["writes"], times, took


def share(times, of):
    return times[min(len(times) - 1, int(len(times) * of))]


def said(writes, times, took):
    return {"transactions": writes["transactions"], "over_50_ms": writes["over_50_ms"], "longest_ms": round(writes["longest_ms"], 1), "seconds": round(took, 1),
            "probe_p50_ms": round(share(times, .5), 1), "probe_p90_ms": round(share(times, .9), 1), "probe_p99_ms": round(share(times, .99), 1),
            "probe_over_50_ms": round(sum(t > GOAL for t in times) / len(times), 3)}


def main():
    repos, total = repositories()
    if not repos:
        return print(json.dumps({"name": "writes.", "why": "no repositories in CODEASK_BENCH_REPOS, nor in build/deps"}))
    of = f"{len(repos)} repositories, {total / 1e6:.0f} MB"
    with tempfile.TemporaryDirectory(prefix="codeask-writes-", dir=os.environ.get("CODEASK_BENCH_DISK")) as scratch:
        scratch = pathlib.Path(scratch)
        alone = index(scratch / "alone", repos)
        print(json.dumps({"name": "writes.p99_ms", "value": alone[0]["p99_ms"], "unit": "ms", "goal": GOAL, "of": of, **said(*alone)}), flush=True)
        running = threading.Event()
        running.set()
        loops = [threading.Thread(target=loop, args=(scratch, f"dd{i}", running)) for i in range(2)]
        for t in loops:
            t.start()
        try:
            busy = index(scratch / "busy", repos)
        finally:
            running.clear()
            for t in loops:
                t.join()
        theirs = share(busy[1], .99)
        print(json.dumps({"name": "writes.vs_fdatasync", "value": busy[0]["p99_ms"], "unit": "ms", "ratio": round(theirs / busy[0]["p99_ms"], 3),
                          "against": f"a write of 4 KiB and fdatasync beside it, p99 {theirs:.0f} ms; two loops of dd, {DD_MB} MB and fsync each; {of}",
                          "goal": 1 / SYNCS, **said(*busy)}))


if __name__ == "__main__":
    main()
