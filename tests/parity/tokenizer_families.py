"""Small tokenizers of the shapes that published tokenizer.json files have, trained with `tokenizers` (PyPI) on this
repository's own text, and the texts that try them. tokenizer_vectors.py commits some; tokenizer_compare.py tries many."""
import json
import pathlib
import random
import struct
import unicodedata

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ENGLISH = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LLAMA3 = ENGLISH + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace("{1,3}", "")
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
O200K = "|".join([rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{ENGLISH}?", rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{ENGLISH}?",
                  r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])
DEEPSEEK = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
            r"|\s*[\r\n]+|\s+(?!\S)|\s+")
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
SPECIAL = ["<|start|>", "<|end|>"]


def split(text, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(text), behavior, invert)


def level(use_regex=False, prefix=False):
    return pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=use_regex)


def bytelevel(*steps, normalizer=None, **model):
    t = Tokenizer(models.BPE(**model))
    t.normalizer = normalizer
    t.pre_tokenizer = pre_tokenizers.Sequence(list(steps)) if len(steps) > 1 else steps[0]
    t.decoder = decoders.ByteLevel()
    return t, trainers.BpeTrainer(vocab_size=600, initial_alphabet=BYTES, special_tokens=SPECIAL, show_progress=False)


FALLBACK = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % b for b in range(256)]


def characters(pre=None, normalizer=None, decoder=None, special=FALLBACK, size=900, **model):
    t = Tokenizer(models.BPE(unk_token="<unk>", **model))
    t.normalizer, t.pre_tokenizer = normalizer, pre
    if decoder:
        t.decoder = decoder
    return t, trainers.BpeTrainer(vocab_size=size, special_tokens=special, show_progress=False, limit_alphabet=150)


def charsmap(pairs):
    """SentencePiece's map of characters, from (key, what it becomes): a double array of the keys' bytes, then the texts"""
    texts, trie = b"", {}
    for key, to in pairs:
        node = trie
        for c in key.encode():
            node = node.setdefault(c, {})
        node[0] = len(texts)  # the leaf
        texts += to.encode() + b"\0"
    unit, used = {0: 0}, {0}

    def place(at, node, label):
        free = next(o for o in range(1, 1 << 20) if all(at ^ o ^ c not in used for c in node))
        used.update(at ^ free ^ c for c in node)
        unit[at] = label | (0 in node) << 8 | free << 10
        for c, child in node.items():
            if c:
                place(at ^ free ^ c, child, c)
            else:
                unit[at ^ free] = child | 1 << 31
    place(0, trie, 0)
    size = (max(unit) | 255) + 1
    return struct.pack("<I", 4 * size) + b"".join(struct.pack("<I", unit.get(i, 0)) for i in range(size)) + texts


MAP = [("ﬁ", "fi"), ("Å", "Å"), ("\u212b", "Å"), ("e\u0301", "é"), ("\u3000", " "), ("\u00a0", " "), ("\t", " "), ("\n", " "), ("²", "2"), ("Ⅷ", "VIII"),
       ("\u200b", ""), ("\ufeff", ""), ("ſ", "s"), ("A", "a"), ("👨", "man"), ("ab", "AB")]


def sentence():
    return decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])


def unigram(pre, normalizer=None, bytes_too=False, decoder=None):
    t = Tokenizer(models.Unigram())
    t.normalizer, t.pre_tokenizer, t.decoder = normalizer, pre, decoder or decoders.Metaspace()
    return t, trainers.UnigramTrainer(vocab_size=700, special_tokens=FALLBACK if bytes_too else ["<pad>", "</s>", "<unk>"],
                                      unk_token="<unk>", show_progress=False)


FAMILIES = {
    "gpt2": lambda: bytelevel(level(True)),
    "roberta": lambda: bytelevel(level(True, True)),
    "llama3": lambda: bytelevel(split(LLAMA3), level(), ignore_merges=True),
    "qwen2": lambda: bytelevel(split(QWEN2), level(), normalizer=normalizers.NFC()),
    "o200k": lambda: bytelevel(split(O200K), level()),
    "deepseek3": lambda: bytelevel(split(r"\p{N}{1,3}"), split("[一-龥぀-ゟ゠-ヿ]+"), split(DEEPSEEK), level()),
    "falcon": lambda: bytelevel(pre_tokenizers.Punctuation("contiguous"), level(True), pre_tokenizers.Digits(False), split("[0-9][0-9][0-9]")),
    "starcoder": lambda: bytelevel(pre_tokenizers.Digits(True), level(True)),
    "grouped": lambda: bytelevel(split(r"\d{1,3}(?=(?:\d{3})*\b)"), split(O200K), level()),
    "spm": lambda: characters(normalizer=normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]),
                              decoder=sentence(), byte_fallback=True, fuse_unk=True),
    "metaspace": lambda: characters(pre=pre_tokenizers.Metaspace(prepend_scheme="first", split=False), decoder=sentence(),
                                    byte_fallback=True, fuse_unk=True),
    "gemma": lambda: characters(pre=pre_tokenizers.Split(" ", "merged_with_previous"), normalizer=normalizers.Replace(" ", "▁"),
                                decoder=sentence(), byte_fallback=True, fuse_unk=True),
    "unknown": lambda: characters(pre=pre_tokenizers.Whitespace(), special=["<unk>"], size=400,
                                  normalizer=normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents()])),
    "fused": lambda: characters(pre=pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("merged_with_previous")]),
                                special=["<unk>"], size=400, fuse_unk=True,
                                normalizer=normalizers.Sequence([normalizers.NFKC(), normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")])),
    "delimited": lambda: characters(pre=pre_tokenizers.Sequence([pre_tokenizers.CharDelimiterSplit("_"), split(r"\d", "merged_with_next"),
                                                                 split("[.]+", "contiguous"), split(r"[^a-z]", "removed", False)]),
                                    special=["<unk>"], size=300),
    "t5": lambda: unigram(pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]), normalizers.NFKC()),
    "unigram": lambda: unigram(pre_tokenizers.Metaspace(), normalizers.Nmt(), True),
    "first": lambda: unigram(pre_tokenizers.Metaspace(prepend_scheme="first")),
    "xlmr": lambda: unigram(pre_tokenizers.Metaspace(), normalizers.Sequence([normalizers.Precompiled(charsmap(MAP)),
                                                                              normalizers.Replace(Regex(" {2,}"), " ")])),
    "albert": lambda: unigram(pre_tokenizers.Metaspace(), normalizers.Sequence([normalizers.Replace("``", '"'), normalizers.NFKD(),
                                                                               normalizers.StripAccents(), normalizers.Lowercase()])),
}


def corpus():
    for path in sorted(ROOT.glob("docs/*.md")) + sorted(ROOT.glob("base/*.c")):
        yield path.read_text(encoding="utf-8")
    yield "Grüße aus Köln, ça va? Привет мир! 你好，世界。 こんにちは 안녕하세요 ½ ² Ⅷ 😀 e\u0301 naïve " * 3


def make(name):
    t, trainer = FAMILIES[name]()
    t.train_from_iterator(corpus(), trainer)
    t.add_tokens([AddedToken("  \n", normalized=False), AddedToken("xyzzy", single_word=True), AddedToken("plugh", lstrip=True, rstrip=True)])
    if name in ("qwen2", "spm"):  # what is found in the normal form
        t.add_tokens([AddedToken("café", normalized=True), AddedToken("foo bar", normalized=True)])
    t.add_special_tokens([AddedToken("<|turn|>", normalized=False), AddedToken("<mask>", lstrip=True, special=True)])
    if name in ("llama3", "roberta"):
        t.post_processor = processors.TemplateProcessing("<|start|> $A", None, [("<|start|>", t.token_to_id("<|start|>"))])
    return t


PARTS = ["'s", "'S", " don't", "I'LL", "  ", "   ", "\n", "\r\n", "\t", "\n\n ", "123", "1234567", "3.14", "Abc", "aBC", "XMLHttp", "int main(void)",
         "\u017f", "中文", "あア", "가나", "e\u0301", "é", "café", "cafe\u0301", "\u00a0", "\u0085", "\u3000", "😀", "👨‍👩‍👧", "²", "Ⅷ", "ǅ", "xyzzy", " plugh ", "xyzzyx",
         "foo bar", "  \n", "<|turn|>", "<|end|>", " <mask> ", "<s>", "<unk>", "▁", "``", "_a_", "...", ".1.", "-->", "//", "{}", "if (x) {\n    return 0;\n}\n",
         "Привет", "naïve", "ﬁ", "Å", "\u212b", "각", "각".encode().decode(), "ſ", "İ", "ß", "\ufeff", "\u200b", "\u200d", "\x7f", "\x01", "0" * 10, "A" * 40, "=" * 70]


def texts(n, seed):
    r = random.Random(seed)
    for _ in range(n):
        out = []
        for _ in range(r.randrange(1, 12)):
            k = r.random()
            if k < .6:
                out.append(r.choice(PARTS))
            elif k < .8:
                out.append("".join(chr(r.randrange(32, 127)) for _ in range(r.randrange(1, 9))))
            elif k < .9:
                out.append("".join(r.choice("abcdefghijklmnopqrstuvwxyzäöü ") for _ in range(r.randrange(1, 20))))
            else:
                c = r.choice((r.randrange(0xA0, 0x3000), r.randrange(0x3000, 0xD7A4), r.randrange(0x1F300, 0x1F680)))
                out.append(chr(c))
        yield "".join(out)


def known(text):
    """`tokenizers` holds tables of Unicode 8 to 15: characters younger than its oldest are no test of ours"""
    return all(c < "\u0080" or unicodedata.ucd_3_2_0.category(c) != "Cn" or "\U0001f300" <= c < "\U0001f680" for c in text) and "\u180e" not in text


def ids(t, text):
    """where everything is literal, and where nothing is"""
    t.encode_special_tokens = False
    literal = t.encode(text, add_special_tokens=False).ids
    t.encode_special_tokens = True
    return literal, t.encode(text, add_special_tokens=False).ids
