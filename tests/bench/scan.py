#!/usr/bin/env python3
"""The exact int8 scan of a million vectors of 384 beside usearch's exact search of int8 and faiss's signed 8-bit flat index:
ten best by inner product, one core, one query and eight at once. Ours is bench_kernels_scan, before and after the peers; the
best time of each counts. The rows beside plain reading and of recall come from bench_kernels_scan as they are.
"""
import json
import os
import pathlib
import subprocess
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
import numpy  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RELEASE = pathlib.Path(os.environ.get("CODEASK_BENCH_RELEASE", ROOT / "build" / "release"))
N, DIM, K, ROUNDS = int(os.environ.get("CODEASK_BENCH_VECTORS", 1_000_000)), 384, 10, 5


def ours():
    out = subprocess.run([str(RELEASE / "bench_kernels_scan"), str(N), str(DIM)], capture_output=True, text=True, check=True).stdout
    return {row["name"]: row for row in map(json.loads, out.splitlines())}


def best(search):
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        search()
        times.append((time.perf_counter() - start) * 1e3)
    return min(times)


def peers(rows, queries):
    """(name, ms of one query, ms a query of eight) of each peer that is there"""
    try:
        from usearch.index import MetricKind, search
        one, eight = (best(lambda q=q: search(rows, q, K, MetricKind.IP, exact=True, threads=1)) for q in (queries[0], queries))
        yield "usearch", one, eight / 8
    except ImportError as why:
        yield "usearch", None, str(why)
    try:
        import faiss
        faiss.omp_set_num_threads(1)
        index = faiss.IndexScalarQuantizer(DIM, faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT)
        for i in range(0, N, 100_000):
            index.add(rows[i:i + 100_000].astype(numpy.float32))
        wide = queries.astype(numpy.float32)
        yield "faiss", best(lambda: index.search(wide[:1], K)), best(lambda: index.search(wide, K)) / 8
    except ImportError as why:
        yield "faiss", None, str(why)


random = numpy.random.default_rng(1)
vectors = random.integers(-127, 128, (N, DIM), dtype=numpy.int8)
asked = random.integers(-127, 128, (8, DIM), dtype=numpy.int8)
first = ours()
measured = list(peers(vectors, asked))
del vectors
second = ours()
for name, row in first.items():
    again = second[name]
    print(json.dumps(min(row, again, key=lambda r: r["value"]) if row["unit"].startswith("ms") else
                     max(row, again, key=lambda r: r["ratio"] or 0)))
one, eight = (min(first[name]["value"], second[name]["value"]) for name in ("scan.ms", "scan.batch8_ms"))
for peer, theirs_one, theirs_eight in measured:
    goal = 5 if peer == "usearch" else None
    if theirs_one is None:
        print(json.dumps({"name": f"scan.batch8_vs_{peer}", "why": theirs_eight}))
        continue
    print(json.dumps({"name": f"scan.one_vs_{peer}", "value": round(one, 2), "unit": "ms", "against": f"{peer}, {theirs_one:.1f} ms",
                      "ratio": round(theirs_one / one, 2), "goal": None}))
    print(json.dumps({"name": f"scan.batch8_vs_{peer}", "value": round(eight, 2), "unit": "ms a query",
                      "against": f"{peer}, {theirs_eight:.1f} ms a query", "ratio": round(theirs_eight / eight, 2), "goal": goal}))
