"""Row first_answer_s: from `codeask "question"` in a repository of 50 MB that was never seen, on a fresh home without a daemon, to the
answer on stdout. The repository: sources of the clones in CODEASK_BENCH_REPOS committed as one, else the grammars' packages
that the build fetched (generated parsers mostly, which are kinder than hand-written code: the row says so).
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RELEASE = pathlib.Path(os.environ.get("CODEASK_BENCH_RELEASE", ROOT / "build" / "release"))
ROW, GOAL, BYTES, TIMES = "first_answer_s", 8, 50 << 20, 3
SOURCE = re.compile(r"\.(c|h|cc|cpp|hpp|cs|ex|exs|go|hs|java|js|jsx|kt|lua|md|ml|php|py|rb|rs|scala|sh|swift|ts|tsx|zig)$")


def files_of(folder):
    clones = sorted(p for p in folder.iterdir() if p.is_dir() and not p.is_symlink())
    lists = [sorted(f for f in clone.rglob("*") if f.is_file() and not f.is_symlink() and SOURCE.search(f.name) and ".git" not in f.parts
                    and f.stat().st_size < 1 << 20) for clone in clones]
    for rank in range(max(map(len, lists), default=0)): # a little of each, so that all languages are in
        for clone, files in zip(clones, lists):
            if rank < len(files):
                yield clone, files[rank]


def make(target, folder):
    size = count = 0
    for clone, file in files_of(folder):
        if size >= BYTES:
            break
        to = target / clone.name / file.relative_to(clone)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, to)
        size += file.stat().st_size
        count += 1
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0"]
    for args in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "sources"], ["repack", "-adq"]):
        subprocess.run(["git", *identity, "-C", target, *args], check=True, capture_output=True)
    return size, count


def once(repo, question, home):
    env = {k: v for k, v in os.environ.items() if not k.startswith("CODEASK_")}
    env.update(CODEASK_HOME=str(home), CODEASK_MODELS=str(RELEASE / "share" / "codeask" / "models"))
    begun = time.perf_counter()
    done = subprocess.run([RELEASE / "codeask", "--json", question], cwd=repo, env=env, capture_output=True, text=True, timeout=300)
    took = time.perf_counter() - begun
    daemon = int((home / "lock").read_text())
    cpu = daemon_cpu(daemon)
    subprocess.run([RELEASE / "codeask", "stop"], env=env, capture_output=True)
    return took, cpu, done


def daemon_cpu(daemon):
    """CPU seconds of the daemon and of its children (cutting workers and the engine), which live on after the answer"""
    tick, own, children = os.sysconf("SC_CLK_TCK"), 0, 0
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = int(stat.parent.name), stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        used = (int(rest[11]) + int(rest[12])) / tick
        if pid == daemon:
            own, children = used, children + (int(rest[13]) + int(rest[14])) / tick
        elif int(rest[1]) == daemon:
            children += used
    return own, children


def main():
    clones = os.environ.get("CODEASK_BENCH_REPOS", "")
    folder = pathlib.Path(clones) if clones else ROOT / "build" / "deps"
    if not folder.is_dir():
        return print(json.dumps({"name": ROW, "why": f"{folder} is not here"}))
    times = []
    with tempfile.TemporaryDirectory(prefix="codeask-first-") as scratch:
        scratch = pathlib.Path(scratch)
        repo = scratch / "repo"
        size, count = make(repo, folder)
        for i in range(TIMES):
            home = scratch / f"home{i}"
            took, cpu, done = once(repo, "where is a connection closed when it times out?", home)
            answer = json.loads(done.stdout) if done.stdout.startswith("{") else {}
            if done.returncode not in (0, 1) or "mode" not in answer:
                return print(json.dumps({"name": ROW, "why": (done.stderr or done.stdout)[-300:]}))
            print(f"{took:.2f} s ({answer['mode']}; timings {answer.get('timings')}; CPU of the daemon {cpu[0]:.1f} s, of its children {cpu[1]:.1f} s; "
                  f"load {os.getloadavg()[0]:.1f})", flush=True)
            times.append(took)
    print(json.dumps({"name": ROW, "value": sorted(times)[TIMES // 2], "unit": "s", "goal": GOAL if size >= BYTES else None,
                      "against": f"{size / 1e6:.0f} MB in {count} files of {'clones' if clones else 'grammar packages'}, a fresh home, no daemon",
                      "ratio": None, "runs": [round(t, 2) for t in times], "load": os.getloadavg()[0]}))


if __name__ == "__main__":
    main()
