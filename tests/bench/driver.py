#!/usr/bin/env python3
"""Runs the benchmarks of rows.json and writes build/bench.json; scripts/bench calls it after the build.

A benchmark prints one JSON object a line on stdout: name, value, unit, and, where it was measured beside something in the
same run, against and ratio (ours over theirs, more than 1 always better), and goal. Other lines of its stdout are
progress. {"name": …, "why": …} says why there is no figure; a row with a figure may carry `why` for a missing peer.
A benchmark gets the asked names in CODEASK_BENCH_ROWS (empty: all) and may leave out the others.
"""
import json
import os
import pathlib
import platform
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import peers  # noqa: E402

ROOT = HERE.parent.parent
RELEASE = ROOT / "build" / "release"
TIME_LIMIT = 3600


def machine():
    cpu, memory = platform.machine(), ""
    try:
        for line in open("/proc/cpuinfo", encoding="utf-8"):
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
                break
        for line in open("/proc/meminfo", encoding="utf-8"):
            if line.startswith("MemTotal"):
                memory = f", {round(int(line.split()[1]) / 2**20)} GiB"
                break
    except OSError:
        pass
    text = f"{cpu}, {len(os.sched_getaffinity(0))} cores{memory}"
    try:
        gpu = subprocess.run(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True)
        if gpu.returncode == 0 and gpu.stdout.strip():
            text += ", " + gpu.stdout.strip().splitlines()[0]
    except OSError:
        pass
    return text


def commit():
    def git(*args):
        return subprocess.run(["git", "-C", str(ROOT), *args], capture_output=True, text=True).stdout.strip()
    return (git("rev-parse", "HEAD") or "unknown") + ("-dirty" if git("status", "--porcelain", "-uno") else "")


def install(peer):
    """puts the pinned packages of peers/<peer>.txt where that file says; returns why it could not, or None"""
    return peers.install(HERE / "peers" / f"{peer}.txt")


def install_packages(packages):
    """packages of the distribution that are measured beside; the script itself says what is missing without them"""
    done = subprocess.run([str(ROOT / "scripts" / "setup"), *packages], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        print(f"{' '.join(packages)} could not be installed: {(done.stderr.strip().splitlines() or ['?'])[-1]}", file=sys.stderr)


def is_asked(name, asked):
    return not asked or any(name.startswith(a) for a in asked)


def run(benchmark, asked):
    """yields the rows that a benchmark prints, then one `why` row for each named row that it did not"""
    named = [name for name in benchmark["rows"] if is_asked(name, asked) or any(a.startswith(name) for a in asked)]
    if benchmark.get("packages"):
        install_packages(benchmark["packages"])
    why = next(filter(None, map(install, benchmark.get("peers", []))), None)
    program, *arguments = benchmark["run"]
    if program.endswith(".py"):
        python = peers.PYTHON if benchmark.get("peers") and not why else sys.executable
        command = [str(python), str(HERE / program), *arguments]
    else:
        command = [str(RELEASE / program), *arguments]
    env = dict(os.environ, CODEASK_BENCH_ROWS=" ".join(asked), CODEASK_BENCH_RELEASE=str(RELEASE),
               CODEASK_BENCH_NO_PEERS=why or "", PYTHONDONTWRITEBYTECODE="1")
    print(f"running {' '.join(benchmark['run'])}", file=sys.stderr)
    printed = set()
    try:
        done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, timeout=TIME_LIMIT)
        output, ended = done.stdout, f"exit status {done.returncode}" if done.returncode else "it printed no such row"
    except subprocess.TimeoutExpired as late:
        output, ended = (late.stdout or b"").decode(errors="replace"), f"not done within {TIME_LIMIT} s"
    except OSError as error:
        output, ended = "", str(error)
    for line in output.splitlines():
        if not line.startswith("{"):
            print(line, file=sys.stderr)
            continue
        row = json.loads(line)
        printed.add(row["name"])
        if is_asked(row["name"], asked):
            yield row
    for name in named:
        if not any(p.startswith(name) for p in printed):
            yield {"name": name, "why": ended}


def shown(value):
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def main(asked):
    table = json.loads((HERE / "rows.json").read_text(encoding="utf-8"))["benchmarks"]
    chosen = [b for b in table if not asked or any(n.startswith(a) or a.startswith(n) for n in b["rows"] for a in asked)]
    if not chosen:
        print(f"no benchmark prints a row that begins with {' or '.join(asked)}; there are: "
              + ", ".join(n for b in table for n in b["rows"]), file=sys.stderr)
        return 2
    common = {"machine": machine(), "commit": commit()}
    rows, missing = [], []
    for benchmark in chosen:
        for row in run(benchmark, asked):
            if not isinstance(row.get("value"), (int, float)):
                missing.append(row)
                continue
            known = {k: row.get(k) for k in ("name", "value", "unit", "against", "ratio", "goal")}
            rows.append({**known, **common, **{k: v for k, v in row.items() if k not in known}})
    target = ROOT / "build" / "bench.json"
    target.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n", encoding="utf-8")
    print(f"{common['machine']}, commit {common['commit'][:12]}{'-dirty' if common['commit'].endswith('-dirty') else ''}")
    width = max((len(r["name"]) for r in rows + missing), default=4)
    for row in rows:
        ratio = f"{row['ratio']:.2f} × {row['against']}" if row["ratio"] is not None else row["against"] or ""
        goal = "" if row["goal"] is None else f"  goal {shown(row['goal'])}"
        why = f"  ({row['why']})" if row.get("why") else ""
        print(f"{row['name']:{width}}  {shown(row['value']):>10} {row['unit']:8} {ratio}{goal}{why}")
    for row in missing:
        print(f"{row['name']:{width}}  no figure: {row.get('why', 'not said why')}")
    print(f"{len(rows)} rows in build/bench.json, {len(missing)} without a figure")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
