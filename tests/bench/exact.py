"""Rows exact.*: exact search beside ripgrep, on the same files, warm.

exact.p95_ms: about 50 MB of source out of the clones of CODEASK_BENCH_REPOS, a mix of expressions (identifiers of the corpus,
classes, alternations, (?i), and a few that no index can narrow), limit 100, as the client of the socket sees them.
exact.vs_ripgrep: the same clones several times over, each copy's identifiers changed so that no content is stored once for
several, until there is 1 GB (CODEASK_BENCH_EXACT_MB); the median time of rg with its default threads over the daemon's, for the
expressions that match at most 1000 lines, whose results must be the same.
"""
import json
import os
import pathlib
import random
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
import zlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RELEASE = pathlib.Path(os.environ.get("CODEASK_BENCH_RELEASE", ROOT / "build" / "release"))
ROWS = ("exact.p95_ms", "exact.vs_ripgrep")
SMALL_MB, LARGE_MB = 50, int(os.environ.get("CODEASK_BENCH_EXACT_MB", 1000))
FILE_MAX = 1 << 20


def sources(folders):
    """(path, bytes) of the tracked text files of clones"""
    for clone in sorted(c for f in folders for c in pathlib.Path(f).iterdir() if (c / ".git").exists()):
        names = subprocess.run(["git", "-C", clone, "ls-files", "-z"], capture_output=True, text=True, errors="replace").stdout
        for name in names.split("\0"):
            path = clone / name
            if name and path.is_file() and not path.is_symlink() and path.stat().st_size < FILE_MAX:
                data = path.read_bytes()
                if b"\0" not in data and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
                    yield f"{clone.name}/{name}", data


def make(top, folders, megabytes):
    """writes the corpus as one repository; returns its bytes"""
    total, copy, name = 0, 0, re.compile(rb"[A-Za-z_]{7,}")
    while total < megabytes << 20:
        before = total
        for path, data in sources(folders):
            if total >= megabytes << 20:
                break
            if copy: # one in eight identifiers gets another end, and thus every content another hash
                data = name.sub(lambda m: m.group() + b"%d" % copy if zlib.crc32(m.group()) % 8 == copy % 8 else m.group(), data) + b"\n"
            to = top / f"v{copy}" / path
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(data)
            total += len(data)
        copy += 1
        if total == before:
            break
    for name in [p for pattern in (".gitattributes", ".gitignore", ".ignore", ".rgignore") for p in top.rglob(pattern)]:
        name.unlink()
    git = ["git", "-C", top, "-c", "user.name=bench", "-c", "user.email=bench@example.org", "-c", "gc.auto=0"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "corpus"], check=True)
    return total


def patterns(top, n):
    r, names = random.Random(7), []
    files = sorted(p for p in top.rglob("*") if p.is_file() and ".git/" not in str(p))
    while len(names) < n:
        found = re.findall(rb"\b[A-Za-z_]\w{7,24}\b", r.choice(files).read_bytes())
        if found:
            names.append(r.choice(found).decode())
    made = []
    for i, x in enumerate(names):
        made.append([x, rf"\b{x}\(", f"(?i){x}", rf"{x}|{names[i - 1]}", rf"{x[:6]}\w+{x[-2:]}\b", rf"{x}\s*=\s*\w+"][i % 6])
    return made + [r"no_such_text_in_here_\d+", r"\b[A-Z]{14}\d\b", r"^\s*#\s*include <z[a-z]+\.h>"]


class Daemon:
    def __init__(self, home, repo):
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("CODEASK_")}
        self.env["CODEASK_HOME"], self.repo = str(home), repo
        (home / "config").write_text("embed = no\n")
        began = time.perf_counter()
        subprocess.run([RELEASE / "codeask", "index", "-C", repo], env=self.env, check=True, capture_output=True)
        self.index_s = time.perf_counter() - began
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(home / "codeaskd.sock"))
        self.socket.sendall(b'{"codeask":1,"build":"bench"}\n')
        self.file = self.socket.makefile("rb")
        self.file.readline()

    def search(self, pattern, limit):
        began = time.perf_counter()
        message = {"jsonrpc": "2.0", "id": 1, "method": "search", "params": {"query": pattern, "regex": True, "limit": limit, "dir": str(self.repo)}}
        self.socket.sendall(json.dumps(message).encode() + b"\n")
        while True:
            line = self.file.readline()
            if not line:
                raise SystemExit("the daemon closed the connection")
            answer = json.loads(line)
            if answer.get("id") == 1 and "method" not in answer:
                if "error" in answer:
                    raise SystemExit(f"{pattern}: {answer['error']}")
                return (time.perf_counter() - began) * 1e3, answer["result"]

    def close(self):
        self.socket.close()
        subprocess.run([RELEASE / "codeask", "stop"], env=self.env, capture_output=True)


def ripgrep(top, pattern):
    began = time.perf_counter()
    out = subprocess.run(["rg", "--crlf", "--hidden", "-g", "!.git", "--no-heading", "-n", "--null", "-e", pattern], cwd=top, capture_output=True).stdout
    ms = (time.perf_counter() - began) * 1e3
    rows = set()
    for line in out.splitlines():
        name, _, rest = line.partition(b"\0")
        rows.add((name.decode(errors="replace"), int(rest.split(b":", 1)[0])))
    return ms, rows


def run(folders, megabytes, large):
    work = pathlib.Path(tempfile.mkdtemp(prefix="codeask-exact-"))
    daemon = None
    try:
        (work / "repo").mkdir()
        (work / "home").mkdir()
        total = make(work / "repo", folders, megabytes)
        daemon = Daemon(work / "home", work / "repo")
        asked = patterns(work / "repo", 30 if large else 97)
        print(f"{total / 1e6:.0f} MB, indexed in {daemon.index_s:.0f} s", flush=True)
        has_rg = shutil.which("rg") is not None
        took, theirs, ratios, equal, compared = [], [], [], 0, 0
        daemon.search(asked[0], 10)
        for p in asked:
            ms = statistics.median(daemon.search(p, 1000 if large else 100)[0] for _ in range(3))
            took.append(ms)
            if not has_rg:
                continue
            _, result = daemon.search(p, 1000)
            rg_ms, rows = ripgrep(work / "repo", p)
            rg_ms = statistics.median([rg_ms] + [ripgrep(work / "repo", p)[0] for _ in range(2)]) if large else rg_ms
            theirs.append(rg_ms)
            ratios.append(rg_ms / ms)
            if not result["truncated"]:
                ours = {(r["path"], r["start_line"]) for r in result["results"]}
                compared += 1
                equal += ours == rows
                if ours != rows:
                    print(f"differs: {p}: {len(ours)} and {len(rows)}: {sorted(ours ^ rows)[:3]}", flush=True)
        took.sort()
        return {"mb": round(total / 1e6), "took": took, "rg": theirs, "ratios": ratios, "equal": equal, "compared": compared, "index_s": daemon.index_s}
    finally:
        if daemon:
            daemon.close()
        shutil.rmtree(work, ignore_errors=True)


def main():
    folders = [f for f in os.environ.get("CODEASK_BENCH_REPOS", "").split(":") if f]
    asked = os.environ.get("CODEASK_BENCH_ROWS", "")
    if not folders:
        for name in ROWS:
            print(json.dumps({"name": name, "why": "CODEASK_BENCH_REPOS does not name a folder with clones"}))
        return
    wants = lambda name: not asked or any(name.startswith(a) for a in re.split(r"[\s,]+", asked) if a)
    if wants(ROWS[0]):
        o = run(folders, SMALL_MB, False)
        print(json.dumps({"name": ROWS[0], "value": o["took"][int(len(o["took"]) * .95)], "unit": "ms", "goal": 100, "ratio": None,
                          "p50_ms": round(statistics.median(o["took"]), 2), "mb": o["mb"],
                          "against": f"ripgrep: results equal in {o['equal']} of {o['compared']} expressions"}), flush=True)
    if wants(ROWS[1]):
        o = run(folders, LARGE_MB, True)
        if o["rg"]:
            print(json.dumps({"name": ROWS[1], "value": statistics.median(o["took"]), "unit": "ms", "goal": None, "ratio": statistics.median(o["ratios"]),
                              "least_ratio": round(min(o["ratios"]), 2), "p95_ms": round(o["took"][int(len(o["took"]) * .95)], 1), "mb": o["mb"],
                              "index_s": round(o["index_s"]), "against": f"rg with its default threads, {statistics.median(o['rg']):.0f} ms, warm, the same "
                              f"{o['mb']} MB; results equal in {o['equal']} of {o['compared']}"}), flush=True)
        else:
            print(json.dumps({"name": ROWS[1], "why": "rg is not installed (Debian's package ripgrep)"}))


if __name__ == "__main__":
    main()
