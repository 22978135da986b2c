"""Packages that are pinned with their hashes and stand beside ours: peers of benchmarks, clients of session tests. They go into
build/venv, never into the project."""
import fcntl
import hashlib
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENV = ROOT / "build" / "venv"
PYTHON = VENV / "bin" / "python"


def install(wanted):
    """puts the packages of a requirements file into build/venv; returns why it could not, or None"""
    stamp = VENV / f".{wanted.stem}-{hashlib.sha256(wanted.read_bytes()).hexdigest()[:16]}"
    if stamp.exists():
        return None
    VENV.parent.mkdir(exist_ok=True)
    with open(VENV.parent / ".venv.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists():
            return None
        print(f"installing {wanted.stem} into build/venv", file=sys.stderr)
        if not PYTHON.exists():
            made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True)
            if made.returncode:
                return f"no virtual environment: {(made.stdout + made.stderr).strip()[-200:]}"
        done = subprocess.run([str(PYTHON), "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:",
                               "-r", str(wanted)], capture_output=True, text=True)
        if done.returncode:
            return f"{wanted.stem} could not be installed: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else done.returncode}"
        stamp.touch()
    return None
