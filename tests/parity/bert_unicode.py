#!/usr/bin/env python3
"""Writes engine/tokenizer/unicode_data.c: what `tokenizers` (PyPI) makes of each code point, asked of it one by one.

Its Unicode tables are of several versions (categories of Unicode 8, decompositions of 12, lower case of the newest), so
that neither Python's nor utf8proc's agree with it everywhere. Usage: bert_unicode.py > engine/tokenizer/unicode_data.c
"""
import sys
import unicodedata

import tokenizers
from tokenizers import normalizers, pre_tokenizers


def bert(**on):
    options = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**options, **on}).normalize_str


clean, strip = bert(clean_text=True), bert(strip_accents=True)
lower, chinese = bert(lowercase=True), bert(handle_chinese_chars=True)
nfd = normalizers.NFD().normalize_str
words = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def ranges(chosen):
    out = []
    for c in sorted(chosen):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def fill(rows, width=116):
    line = "   "
    for row in rows:
        if len(line) + len(row) + 2 > width:
            print(line)
            line = "   "
        line += " " + row + ","
    print(line)


def table(name, what, chosen):
    print(f"\n/* {what} */\nconst struct unicode_range {name}[] = {{")
    fill("{0x%X, 0x%X}" % (a, b) for a, b in ranges(chosen))
    print(f"}};\nconst size_t n{name} = sizeof {name} / sizeof *{name};")


def lower_rows():
    """runs of equal distance whose code points are 1 or 2 apart"""
    pairs = [(c, ord(lower(chr(c))) - c) for c in points if len(lower(chr(c))) == 1 and lower(chr(c)) != chr(c)]
    runs = []
    for c, d in pairs:
        r = runs[-1] if runs else None
        if r and r[3] == d and (c - r[1] == r[2] or (r[2] == 0 and c - r[1] <= 2)):
            r[2], r[1] = c - r[1], c
        else:
            runs.append([c, c, 0, d])
    longer = [c for c in points if len(lower(chr(c))) > 1]
    assert longer == [0x130] and lower("\u0130") == "i\u0307", longer
    return runs


def moves(c):
    """does its combining class take part in canonical ordering? Asked beside kept marks of classes 216 and 224"""
    return any(strip("a" + x) != "a" + x for m in "\U0001d165\u302e" for x in (m + chr(c), chr(c) + m))


dropped = [c for c in points if clean(chr(c)) == ""]
blank = [c for c in points if clean(chr(c)) == " "]
mark = [c for c in points if strip(chr(c)) == ""]
decomposed = [c for c in points if nfd(chr(c)) != chr(c) and not 0xAC00 <= c <= 0xD7A3]
for c in decomposed:  # utf8proc gives them; decompositions never change once a code point has one
    assert nfd(chr(c)) == unicodedata.normalize("NFD", chr(c)), hex(c)
assert not [c for c in set(mark) & set(decomposed) if strip(chr(c)) != ""]
kept = [c for c in points if unicodedata.combining(chr(c)) and c not in set(mark) and moves(c)]
classes = {}
for c in kept:
    classes.setdefault(unicodedata.combining(chr(c)), []).append(c)

print("/* Made by tests/parity/bert_unicode.py from tokenizers %s; do not edit. */" % tokenizers.__version__)
print('#include "engine/tokenizer/unicode_data.h"')
table("unicode_dropped", "what clean_text drops", dropped)
table("unicode_blank", "what clean_text makes a blank", blank)
table("unicode_chinese", "what handle_chinese_chars makes a word of its own", [c for c in points if len(chinese(chr(c))) == 3])
table("unicode_mark", "what strip_accents drops after the decomposition", mark)
table("unicode_starter", "those of them that end a run of combining marks (class 0)",
      [c for c in mark if not unicodedata.combining(chr(c))])
table("unicode_decomposed", "what has a canonical decomposition, Hangul syllables aside", decomposed)
table("unicode_punct", "what the pre-tokenizer makes a word of its own", [c for c in points if len(words("a" + chr(c) + "a")) == 3])
table("unicode_split", "what the pre-tokenizer takes for a blank", [c for c in points if len(words("a" + chr(c) + "a")) == 2])
print("\n/* every step-th code point of [lo, hi] becomes itself + to in lower case (0x130 becomes two) */")
print("const struct unicode_lower unicode_lower[] = {")
fill("{0x%X, 0x%X, %d, %d}" % (a, b, s or 1, d) for a, b, s, d in lower_rows())
print("};\nconst size_t nunicode_lower = sizeof unicode_lower / sizeof *unicode_lower;")
print("\n/* combining classes of the marks that strip_accents keeps */\nconst struct unicode_class unicode_class[] = {")
fill("{0x%X, 0x%X, %d}" % (a, b, k) for k in sorted(classes) for a, b in ranges(classes[k]))
print("};\nconst size_t nunicode_class = sizeof unicode_class / sizeof *unicode_class;")
