#!/usr/bin/env python3
"""Writes block_vectors.txt: what the numpy quantisers of `gguf` (PyPI) make of blocks of a counter-based generator, which
tests/unit/kernels/test_block.c makes as well. Usage: block_vectors.py > tests/parity/block_vectors.txt, or
block_vectors.py --check to compare with the committed file. Needs gguf, numpy and xxhash.

  decode TYPE BLOCKS HASH BYTES FLOATS   BLOCKS of random bytes become floats whose XXH3 is HASH; the first block in hex
  encode TYPE BLOCKS HASH FLOATS BYTES   the other way round

NaNs count as 7fc00000.
"""
import pathlib
import sys

import gguf
import numpy as np
import xxhash

TYPES = "F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q4_K Q5_K Q6_K IQ4_NL IQ4_XS MXFP4 NVFP4".split()
ENCODED = "F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 MXFP4".split()
VALUES = 1 << 18


def words(seed, n):
    """splitmix64 of a counter."""
    with np.errstate(over="ignore"):
        z = (np.arange(1, n + 1, dtype=np.uint64) + np.uint64(seed << 32)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        return z ^ z >> np.uint64(31)


def bits_of(floats):
    floats = np.ascontiguousarray(floats, dtype=np.float32)
    bits = floats.view(np.uint32).copy()
    bits[np.isnan(floats)] = 0x7FC00000
    return bits.tobytes()


def numbers(seed, n):
    """24 bits and an exponent that changes every 64 values; some zeros; every 16th run all of one value."""
    w = words(seed, n)
    x = ((w >> np.uint64(40)).astype(np.int64) - (1 << 23)).astype(np.float32)
    run = np.arange(n) // 64
    x = np.where(run % 16 == 5, x[run * 64], x)
    x = np.where((w & np.uint64(15) == 0) | (run % 16 == 9), np.float32(0), x)
    return np.ldexp(x, -23 - run % 40 + 8).astype(np.float32)


def lines():
    for name in TYPES:
        kind = gguf.GGMLQuantizationType[name]
        values, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = VALUES // values
        raw = np.frombuffer(words(kind, (blocks * size + 7) // 8).tobytes(), dtype=np.uint8)[:blocks * size]
        with np.errstate(all="ignore"):
            floats = bits_of(gguf.dequantize(raw.reshape(blocks, size), kind).ravel())
        yield f"decode {name} {blocks} {xxhash.xxh3_64_hexdigest(floats)} {raw[:size].tobytes().hex()} {floats[:values * 4].hex()}"
    for name in ENCODED:
        kind = gguf.GGMLQuantizationType[name]
        values, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = VALUES // values
        x = numbers(kind + 1, VALUES)
        with np.errstate(all="ignore"):
            out = gguf.quantize(x.reshape(blocks, values), kind).tobytes()
        yield f"encode {name} {blocks} {xxhash.xxh3_64_hexdigest(out)} {bits_of(x[:values]).hex()} {out[:size].hex()}"


text = "\n".join(lines()) + "\n"
if sys.argv[1:] == ["--check"]:
    committed = pathlib.Path(__file__).with_suffix(".txt").read_text()
    sys.exit(0 if committed == text else "block_vectors.txt is not what gguf gives")
sys.stdout.write(text)
