#!/usr/bin/env python3
"""Compares our tokenizers with `tokenizers` (PyPI) on many random texts and on files of folders, for every small family and
for the tokenizer.json files given.

Usage: tokenizer_compare.py TOKENIZER_IDS [--json FILE]… [FOLDER…]     exit 0 where every id is equal
"""
import os
import struct
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer

import tokenizer_families as families

program, rest = sys.argv[1], sys.argv[2:]
real = [rest[i + 1] for i, a in enumerate(rest) if a == "--json"]
folders = [a for i, a in enumerate(rest) if a != "--json" and (not i or rest[i - 1] != "--json")]
total = failed = 0


def ours(path, texts):
    blob = b"".join(struct.pack("<I", len(t)) + t + bytes([x]) for t, x in texts)
    done = subprocess.run([program, path], input=blob, stdout=subprocess.PIPE, check=True)
    at, rows = 0, []
    while at < len(done.stdout):
        (n,) = struct.unpack_from("<I", done.stdout, at)
        rows.append(list(struct.unpack_from("<%dI" % n, done.stdout, at + 4)))
        at += 4 + 4 * n
    return rows


def compare(name, path, t, texts):
    global total, failed
    if "Unigram" in t.model.__class__.__name__:  # theirs takes "<s>" from any text into its own vocabulary, ours from none
        texts = [s for s in texts if not any(x in s for x in ("<s>", "</s>", "<unk>", "<pad>"))]
    want = [x for s in texts for x in families.ids(t, s)]
    got = ours(path, [(s.encode(), x) for s in texts for x in (1, 0)])
    bad = [i for i in range(len(want)) if want[i] != got[i]]
    total += len(want)
    failed += len(bad)
    for i in bad[:3]:
        k = next((k for k, (a, b) in enumerate(zip(got[i], want[i])) if a != b), min(len(got[i]), len(want[i])))
        print(f"{name}: {texts[i // 2]!a:.200} {'user' if i % 2 else 'literal'} at {k}: ours {got[i][k:k+6]}, theirs {want[i][k:k+6]}")
    print(f"{name}: {len(want)} texts, {len(bad)} differ", flush=True)


def files():
    for folder in folders:
        for base, _, names in os.walk(folder):
            for name in sorted(names):
                path = os.path.join(base, name)
                if os.path.isfile(path) and os.path.getsize(path) < 1 << 18:
                    text = open(path, encoding="utf-8", errors="replace", newline="").read()
                    if families.known(text):
                        yield text


more = [t for t, _ in zip(files(), range(400))]
with tempfile.TemporaryDirectory() as d:
    for seed, name in enumerate(families.FAMILIES):
        t = families.make(name)
        t.save(d + "/t.json")
        compare(name, d + "/t.json", t, [x for x in families.texts(3000, seed) if families.known(x)] + more)
for path in real:
    compare(path, path, Tokenizer.from_file(path), [x for x in families.texts(3000, 99) if families.known(x)] + more)
print(f"{total} texts, {failed} differ")
sys.exit(failed != 0)
