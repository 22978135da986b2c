"""Packages that are pinned with their hashes and stand beside ours: peers of benchmarks, clients of session tests. They go into
build/venv, or into the folder of build/ that their requirements name, never into the project."""
import fcntl
import hashlib
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENV = ROOT / "build" / "venv"
PYTHON = VENV / "bin" / "python"


def settings(wanted):
    """what a requirements file says in comments: `venv: NAME` (a folder of build/ of its own), `env: NAME=VALUE` (of the compiler that
    builds it), `where: FLAG` (of the processor: elsewhere it is not wanted)"""
    found = {"venv": [], "env": [], "where": []}
    for line in wanted.read_text(encoding="utf-8").splitlines():
        key, _, value = line.lstrip("# ").partition(": ")
        if line.startswith("#") and key in found:
            found[key].append(value.strip())
    return found


def pinned(wanted):
    """all that decides what is installed: the file and those it reads"""
    text = wanted.read_bytes()
    return b"".join([text, *(pinned(wanted.parent / line[3:].decode().strip()) for line in text.splitlines() if line.startswith(b"-r "))])


def has(flag):
    """of this processor"""
    try:
        return flag in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False


def last_line(text):
    return (text.strip().splitlines() or ["?"])[-1]


def pip(venv, wanted, built):
    env = {**os.environ, **dict(e.split("=", 1) for e in built)}
    return subprocess.run([str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes",
                           *(["--no-cache-dir"] if built else []),  # of what was built with other settings
                           "--only-binary", ":all:", "-r", str(wanted)], capture_output=True, text=True, env=env)


def install(wanted):
    """puts the packages of a requirements file into its folder; returns why it could not, or None"""
    said = settings(wanted)
    if not all(map(has, said["where"])):
        return None
    venv = VENV.parent / said["venv"][0] if said["venv"] else VENV
    stamp = venv / f".{wanted.stem}-{hashlib.sha256(pinned(wanted)).hexdigest()[:16]}"
    if stamp.exists():
        return None
    VENV.parent.mkdir(exist_ok=True)
    with open(VENV.parent / f".{venv.name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists():
            return None
        print(f"installing {wanted.stem} into build/{venv.name}", file=sys.stderr)
        if not (venv / "bin" / "python").exists():
            made = subprocess.run([sys.executable, "-m", "venv", str(venv)], capture_output=True, text=True)
            if made.returncode:
                return f"no virtual environment: {(made.stdout + made.stderr).strip()[-200:]}"
        done = pip(venv, wanted, said["env"])
        if done.returncode:
            return f"{wanted.stem} could not be installed: {last_line(done.stderr)}"
        stamp.touch()
    return None
