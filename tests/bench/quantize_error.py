#!/usr/bin/env python3
"""What a quantisation leaves of weights, beside llama.cpp's quantiser (PyPI llama-cpp-python) on the same values: normal ones, and
three distributions with heavier tails, of unit size and of the size of real weights. Both results are read by llama.cpp's own
decoder. value: our root mean square error over that of the normal values themselves; ratio: theirs over ours, the worst of all.
NVFP4 is measured without the scale a matrix that `model quantize` adds, which llama.cpp's quantiser does not know.
"""
import ctypes
import importlib.util
import json
import os
import pathlib
import subprocess

TYPES = {"Q8_0": (8, 32, 34), "Q4_K": (12, 256, 144), "Q6_K": (14, 256, 210), "MXFP4": (39, 32, 17), "NVFP4": (40, 64, 36)}
VALUES, ROW, GOAL = 1 << 20, 1024, 0.98
WHY = os.environ.get("CODEASK_BENCH_NO_PEERS")

if WHY:
    for name in TYPES:
        print(json.dumps({"name": f"quantize.error.{name.lower()}", "why": WHY}))
    raise SystemExit

import numpy as np  # noqa: E402


class Traits(ctypes.Structure):  # struct ggml_type_traits, up to what is used
    _fields_ = [("name", ctypes.c_char_p), ("values", ctypes.c_int64), ("interleave", ctypes.c_int64), ("bytes", ctypes.c_size_t),
                ("quantized", ctypes.c_bool), ("to_float", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64))]


def library():
    folder = pathlib.Path(importlib.util.find_spec("llama_cpp").origin).parent / "lib"
    ggml = ctypes.CDLL(str(folder / "libggml-base.so"))
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]
    ggml.ggml_get_type_traits.restype = ctypes.POINTER(Traits)
    return ggml


def distributions():
    random = np.random.default_rng(5)
    made = {"normal": random.standard_normal(VALUES), "student4": random.standard_t(4, VALUES), "laplace": random.laplace(size=VALUES),
            "student2.5": random.standard_t(2.5, VALUES)}
    for name, x in made.items():
        yield name, x.astype(np.float32)
        yield name + "·.02", (x * .02).astype(np.float32)


def error(ggml, kind, blocks, x):
    y = np.empty(VALUES, np.float32)
    ggml.ggml_get_type_traits(kind).contents.to_float(blocks.ctypes.data, y.ctypes.data, VALUES)
    return float(np.sqrt(np.mean((y.astype(np.float64) - x) ** 2) / np.mean(x.astype(np.float64) ** 2)))


def main():
    ggml = library()
    child = subprocess.Popen([os.environ["CODEASK_BENCH_RELEASE"] + "/bench_kernels_block"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    cases = list(distributions())
    for name, (kind, values, size) in TYPES.items():
        worst, where, normal = float("inf"), "", 0
        for what, x in cases:
            theirs = np.empty(VALUES // values * size, np.uint8)
            ggml.ggml_quantize_chunk(kind, x.ctypes.data, theirs.ctypes.data, 0, VALUES // ROW, ROW, None)
            child.stdin.write(b"%s %d\n" % (name.encode(), VALUES) + x.tobytes())
            child.stdin.flush()
            child.stdout.readline()
            ours = np.frombuffer(child.stdout.read(theirs.size), np.uint8)
            a, b = error(ggml, kind, theirs, x), error(ggml, kind, ours, x)
            if a / b < worst:
                worst, where = a / b, what
            if what == "normal":
                normal = b
        print(json.dumps({"name": f"quantize.error.{name.lower()}", "value": round(normal, 5), "unit": "of the values",
                          "against": f"llama.cpp's quantiser, worst for {where}", "ratio": round(worst, 4), "goal": GOAL}), flush=True)
    child.stdin.close()
    child.wait()


main()
