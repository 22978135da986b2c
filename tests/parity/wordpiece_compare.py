#!/usr/bin/env python3
"""Compares our WordPiece with `tokenizers` (PyPI): every code point, random Unicode, and the files of given folders.

Usage: wordpiece_compare.py WORDPIECE_IDS MODEL_DIR [FOLDER…]     exit 0 where every id is equal
"""
import os
import random
import struct
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

program, model = sys.argv[1:3]
random.seed(7)
failed = total = 0


def ours(directory, texts):
    blob = b"".join(struct.pack("<I", len(t)) + t for t in (s.encode() for s in texts))
    out = subprocess.run([program, directory], input=blob, stdout=subprocess.PIPE, check=True).stdout
    at, rows = 0, []
    while at < len(out):
        (n,) = struct.unpack_from("<I", out, at)
        rows.append(list(struct.unpack_from("<%dI" % n, out, at + 4)))
        at += 4 + 4 * n
    return rows


def compare(what, directory, tokenizer, texts):
    global failed, total
    got = ours(directory, texts)
    want = [x.ids for x in tokenizer.encode_batch(texts, add_special_tokens=False)]
    assert len(got) == len(want)
    bad = [i for i in range(len(want)) if got[i] != want[i]]
    total += len(texts)
    failed += len(bad)
    for i in bad[:5]:
        k = next((k for k, (a, b) in enumerate(zip(got[i], want[i])) if a != b), min(len(got[i]), len(want[i])))
        print(f"{what}: text {i} {texts[i][:60]!a} piece {k}: ours {got[i][k:k+6]}, theirs {want[i][k:k+6]}")


def every_code_point():
    """with a vocabulary of the letters that occur, so that nothing hides in [UNK]"""
    for lower in (True, False):
        norm = normalizers.BertNormalizer(lowercase=lower)
        for lo in range(0, 0x110000, 0x2000):
            points = [chr(c) for c in range(lo, lo + 0x2000) if not 0xD800 <= c < 0xE000]
            if not points:
                continue
            texts = [x + p + y for p in points for x, y in (("a", "b"), ("", ""))]
            marks = [p for p in points if p.isprintable()] or points
            texts += ["".join(random.choice(marks) for _ in range(12)) for _ in range(300)]
            texts += ["e" + "".join(random.choice("\u0301\u0323\u302e\u302f\U0001d165\u1b44\u08d4\u0345\u0f73" + random.choice(marks))
                                    for _ in range(5)) for _ in range(300)]
            letters = sorted(set("".join(norm.normalize_str(t) for t in texts)) - set(" \n\r\t"))
            vocab = ["[UNK]", "[CLS]", "[SEP]"] + letters + ["##" + x for x in letters]
            with tempfile.TemporaryDirectory() as d:
                with open(d + "/vocab.txt", "w", encoding="utf-8", newline="\n") as f:
                    f.write("\n".join(vocab) + "\n")
                with open(d + "/tokenizer_config.json", "w") as f:
                    f.write('{"do_lower_case": %s}' % str(lower).lower())
                t = Tokenizer(models.WordPiece({v: i for i, v in enumerate(vocab)}, unk_token="[UNK]"))
                t.normalizer, t.pre_tokenizer = norm, pre_tokenizers.BertPreTokenizer()
                compare("U+%04X lower %s" % (lo, lower), d, t, texts)


def files(folders):
    for folder in folders:
        for base, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(base, name)
                if os.path.isfile(path) and os.path.getsize(path) < 1 << 20:
                    yield open(path, encoding="utf-8", errors="replace").read()


every_code_point()
real = Tokenizer.from_file(model + "/tokenizer.json")
real.no_truncation()
real.no_padding()
real.encode_special_tokens = True
compare("random", model, real, ["".join(chr(random.choice((random.randrange(32, 127), random.randrange(0, 0x3000),
        random.randrange(0xE000, 0x110000)))) for _ in range(random.randrange(80))) for _ in range(20000)])
batch, size = [], 0
for text in files(sys.argv[3:]):
    batch.append(text)
    size += len(text)
    if len(batch) == 500:
        compare("files", model, real, batch)
        batch = []
compare("files", model, real, batch)
print(f"{total} texts, {size / 1e6:.1f} MB of files, {failed} differ")
sys.exit(failed != 0)
