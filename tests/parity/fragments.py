#!/usr/bin/env python3
"""Writes ../ptx/fragments.txt: where CuTe's traits (NVIDIA's own, in the package nvidia-cutlass) say that the elements of a warp's
fragments lie. tests/ptx/test_fragments.c runs the instructions and holds what they do to it.

A line: instruction, operand, elements of a lane, then for each lane and each of its elements where it lies: column-major in [m, k]
(a), [n, k] (b) and [m, n] (c); of ldmatrix in the 32 rows of 8 elements that the lanes name.

Needs nvcc and nvidia-cutlass (third_party/parity.txt), which is a set of headers. usage: fragments.py [--check]
--check writes nothing and compares with what is committed.
"""
import importlib.util
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
FILE = HERE.parent / "ptx/fragments.txt"


def computed():
    """the text, or None where it cannot be made"""
    found = importlib.util.find_spec("cutlass_library")
    if not shutil.which("nvcc") or not found:
        print(f"fragments.py: not made anew: no {'nvidia-cutlass' if not found else 'nvcc'}", file=sys.stderr)
        return None
    headers = pathlib.Path(found.origin).parent / "source/include"
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder) / "fragments"
        subprocess.run(["nvcc", "-std=c++17", "-w", "-arch=sm_80", f"-I{headers}", str(HERE / "fragments.cu"), "-o", str(program)], check=True)
        return subprocess.run([str(program)], check=True, stdout=subprocess.PIPE, text=True).stdout


def main():
    text = computed()
    if text is None:
        return 0
    if "--check" not in sys.argv:
        FILE.write_text(text)
    elif FILE.read_text() != text:
        print(f"{FILE} is not what CuTe says", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
