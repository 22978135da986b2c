#!/usr/bin/env python3
"""recall10.real: what the int8 scan finds of the ten nearest of fp32, on real vectors of code: ours, computed in fp32.

The rows are pieces of the Python packages installed here, the questions first lines of docstrings of other files of theirs.
bench_kernels_scan does the two searches.
"""
import os
import re
import subprocess

import embed

ROWS, QUESTIONS, LINES, EACH = int(os.environ.get("CODEASK_BENCH_VECTORS", 10_000)), 300, 6, 60


def main():
    pieces = embed.chunks(LINES, EACH, 2 * ROWS)
    found = dict.fromkeys(m.group(1).strip() for p in pieces[ROWS:] for m in re.finditer(r'"""([A-Z][^"\n]{25,120})', p))
    asked = list(found)[:QUESTIONS]
    if len(asked) < QUESTIONS:
        raise SystemExit(f"only {len(asked)} docstrings in the installed packages")
    embed.WORK.mkdir(parents=True, exist_ok=True)
    ours = embed.Ours(embed.model_folder(), asked + pieces[:ROWS], "exact")
    vectors = ours.vectors(len(asked) + ROWS)
    path = embed.WORK / "recall"
    vectors.tofile(path)
    subprocess.run([str(embed.RELEASE / "bench_kernels_scan"), "recall", str(path), str(vectors.shape[1]), str(QUESTIONS)], check=True)
    path.unlink()


if __name__ == "__main__":
    main()
