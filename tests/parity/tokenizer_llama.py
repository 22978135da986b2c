#!/usr/bin/env python3
"""Compares our tokenizers of GGUF files with llama.cpp's (PyPI llama-cpp-python) on many random texts.

Usage: tokenizer_llama.py TOKENIZER_IDS FILE.gguf…     exit 0 where every id is equal
"""
import random
import struct
import subprocess
import sys

import llama_cpp

PARTS = ["'s", "'S", " don't", "I'LL", "  ", "   ", "\n", "\r\n", "\t", "\n\n ", "123", "1234567", "3.14", "Abc", "aBC", "XMLHttp", "int main(void)",
         "中文", "あア", "가나", "é", "café", "\u3000", "😀", "👨‍👩‍👧", "²", "Ⅷ", "<|im_end|>", "<|endoftext|>", "<s>", "</s>", "<unk>", "[CLS]", "▁", "_a_", "...",
         "-->", "//", "{}", "if (x) {\n    return 0;\n}\n", "Привет", "naïve", "ﬁ", "Å", "각", "\x7f", "\x01", "0" * 10, "A" * 40, "=" * 70]


def texts(n):
    r = random.Random(11)
    for _ in range(n):
        out = []
        for _ in range(r.randrange(1, 12)):
            k = r.random()
            out.append(r.choice(PARTS) if k < .6 else
                       "".join(chr(r.randrange(32, 127)) for _ in range(r.randrange(1, 9))) if k < .8 else
                       "".join(r.choice("abcdefghijklmnopqrstuvwxyz ") for _ in range(r.randrange(1, 20))) if k < .95 else
                       chr(r.choice((r.randrange(0xA1, 0x250), r.randrange(0x400, 0x460), r.randrange(0x4E00, 0x9FA0)))))
        yield "".join(out)


def ours(program, path, rows):
    blob = b"".join(struct.pack("<I", len(t)) + t + bytes([x]) for t, x in rows)
    data = subprocess.run([program, path], input=blob, stdout=subprocess.PIPE, check=True).stdout
    at, out = 0, []
    while at < len(data):
        (n,) = struct.unpack_from("<I", data, at)
        out.append(list(struct.unpack_from("<%dI" % n, data, at + 4)))
        at += 4 + 4 * n
    return out


failed = 0
for path in sys.argv[2:]:
    model = llama_cpp.Llama(path, vocab_only=True, verbose=False)
    rows = [(t.encode(), x) for t in texts(3000) for x in (1, 0)]
    got = ours(sys.argv[1], path, rows)
    want = [model.tokenize(t, add_bos=False, special=bool(x)) for t, x in rows]
    bad = [i for i in range(len(rows)) if got[i] != want[i]]
    for i in bad[:3]:
        k = next((k for k, (a, b) in enumerate(zip(got[i], want[i])) if a != b), min(len(got[i]), len(want[i])))
        print(f"  {rows[i][0].decode()!a:.160} {'literal' if rows[i][1] else 'user'} at {k}: ours {got[i][k:k+6]}, theirs {want[i][k:k+6]}")
    print(f"{path.rsplit('/', 1)[-1]}: {len(rows)} texts, {len(bad)} differ", flush=True)
    failed += len(bad)
sys.exit(failed != 0)
