#!/usr/bin/env python3
"""Writes tests/parity/tokenizers/: NAME.json, a small tokenizer, and NAME.ids, a JSON list of [text, ids where all of it is
literal, ids where nothing is] as `tokenizers` (PyPI) gives them. test_tokenizer.c reads both."""
import json

import tokenizer_families as families

OUT = families.ROOT / "tests" / "parity" / "tokenizers"
TEXTS = 40


def main():
    OUT.mkdir(exist_ok=True)
    code = (families.ROOT / "base" / "hash.c").read_text()[:1500]
    for seed, name in enumerate(families.FAMILIES):
        t = families.make(name)
        rows = []
        for text in ["", " ", code] + [x for x in families.texts(TEXTS, 100 + seed) if families.known(x)]:
            literal, user = families.ids(t, text)
            if "Unigram" in t.model.__class__.__name__ and any(x in text for x in ("<s>", "</s>", "<unk>", "<pad>")):
                continue  # theirs finds them in any text, ours in none
            rows.append([text, literal, user])
        t.encode_special_tokens = False
        (OUT / f"{name}.json").write_text(json.dumps(json.loads(t.to_str()), ensure_ascii=False, separators=(",", ":")) + "\n")
        (OUT / f"{name}.ids").write_text("[" + ",\n".join(json.dumps(r, separators=(",", ":")) for r in rows) + "]\n")


main()
