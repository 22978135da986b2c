"""Model files of real shapes with random weights, for timings: Qwen2.5's sizes, all matrices in one type. Blocks are drawn once and
repeated from shifting places: what a product does not look at need not be new. Without a tokenizer (llama.cpp: "no_vocab"), or with one of
bytes and the words of a sample that writes in ChatML."""
import collections
import re
import struct

import numpy as np

TYPES = {"q8_0": (8, 32, 34), "q4_k": (12, 256, 144)}
# hidden, layers, heads, heads of keys, feed-forward, vocabulary. Q4_K has blocks of 256: 1,024 and not 896 columns
SHAPES = {"small": (512, 8, 8, 2, 1536, 4096), "0.5b": (1024, 24, 16, 2, 4864, 151936), "1.5b": (1536, 28, 12, 2, 8960, 151936)}
ALIGN, POOL = 32, 1 << 16


SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHATML = ("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
          "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


def text(s):
    return struct.pack("<Q", len(s.encode())) + s.encode()


def packed(what, value):
    """a value of GGUF: 4 uint32, 5 int32, 6 float32, 8 text, 9 a list of (type, values)"""
    if what == 9:
        return struct.pack("<IQ", value[0], len(value[1])) + b"".join(packed(value[0], v) for v in value[1])
    return text(value) if what == 8 else struct.pack({4: "<I", 5: "<i", 6: "<f"}[what], value)


def pool(kind, random):
    """POOL blocks of the type, with values of about ±.05"""
    _, _, size = TYPES[kind]
    blocks = random.integers(0, 256, (POOL, size), np.uint8)
    if kind == "q8_0":
        blocks[:, :2] = np.full(POOL, .05 / 127, np.float16).view(np.uint8).reshape(POOL, 2)
    else:  # scale and least value of sixteenths of .05, around zero
        blocks[:, :2] = np.full(POOL, .05 / 15 / 32, np.float16).view(np.uint8).reshape(POOL, 2)
        blocks[:, 2:4] = np.full(POOL, .05 / 2 / 32, np.float16).view(np.uint8).reshape(POOL, 2)
    return blocks


def tensors(shape):
    hidden, layers, heads, kv, wide, vocab = SHAPES[shape]
    kv_width = hidden // heads * kv
    yield "token_embd.weight", (vocab, hidden)
    yield "output_norm.weight", (hidden,)
    for i in range(layers):
        for name, size in (("attn_norm.weight", (hidden,)), ("attn_q.weight", (hidden, hidden)), ("attn_q.bias", (hidden,)),
                           ("attn_k.weight", (kv_width, hidden)), ("attn_k.bias", (kv_width,)),
                           ("attn_v.weight", (kv_width, hidden)), ("attn_v.bias", (kv_width,)),
                           ("attn_output.weight", (hidden, hidden)), ("ffn_norm.weight", (hidden,)),
                           ("ffn_gate.weight", (wide, hidden)), ("ffn_up.weight", (wide, hidden)), ("ffn_down.weight", (hidden, wide))):
            yield f"blk.{i}.{name}", size


def byte_letters():
    """GPT-2's printable stand-in of each byte"""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return [chr(b) if b in plain else chr(256 + others.index(b)) for b in range(256)]


def merges_of(sample):
    """pairs that put the sample's most frequent words together from their beginnings on: about four bytes a token of text like it"""
    letters, merges = byte_letters(), {}
    for word, _ in collections.Counter(re.findall(r" ?[A-Za-z]{2,}", sample)).most_common(8000):
        word = "".join(letters[b] for b in word.encode())
        for i in range(1, len(word)):
            merges.setdefault((word[:i], word[i]))
    return list(merges)


def tokenizer(sample, vocab):
    letters, merges = byte_letters(), merges_of(sample)
    tokens = list(dict.fromkeys(letters + [a + b for a, b in merges]))
    tokens += [f"unused{i}" for i in range(vocab - len(tokens) - len(SPECIALS))] + SPECIALS
    yield "tokenizer.ggml.model", 8, "gpt2"
    yield "tokenizer.ggml.pre", 8, "qwen2"
    yield "tokenizer.ggml.tokens", 9, (8, tokens)
    yield "tokenizer.ggml.token_type", 9, (5, [1] * (vocab - len(SPECIALS)) + [3] * len(SPECIALS))
    yield "tokenizer.ggml.merges", 9, (8, [f"{a} {b}" for a, b in merges])
    yield "tokenizer.ggml.bos_token_id", 4, vocab - 3
    yield "tokenizer.ggml.eos_token_id", 4, vocab - 1
    yield "tokenizer.chat_template", 8, CHATML


def keys(shape, sample):
    hidden, layers, heads, kv, wide, vocab = SHAPES[shape]
    yield "general.architecture", 8, "qwen2"
    yield "qwen2.context_length", 4, 32768
    yield "qwen2.embedding_length", 4, hidden
    yield "qwen2.block_count", 4, layers
    yield "qwen2.feed_forward_length", 4, wide
    yield "qwen2.attention.head_count", 4, heads
    yield "qwen2.attention.head_count_kv", 4, kv
    yield "qwen2.attention.layer_norm_rms_epsilon", 6, 1e-6
    yield "qwen2.rope.freq_base", 6, 1e6
    yield "qwen2.vocab_size", 4, vocab
    yield from tokenizer(sample, vocab) if sample else [("tokenizer.ggml.model", 8, "no_vocab")]


def body(name, shape, kind, blocks, random):
    """the tensor's bytes, piece by piece"""
    if len(shape) == 1:
        x = 1 + .1 * random.standard_normal(shape) if "norm" in name else .1 * random.standard_normal(shape)
        yield x.astype("<f4").tobytes()
        return
    left = shape[0] * shape[1] // TYPES[kind][1]
    while left:
        at = int(random.integers(0, POOL // 2))
        n = min(left, POOL - at)
        yield blocks[at:at + n].tobytes()
        left -= n


def write(path, shape, kind, sample=None):
    """sample: text whose words the model's tokenizer knows; None: no tokenizer"""
    random = np.random.default_rng(11)
    number, values, size = TYPES[kind]
    blocks, infos, at, listed = pool(kind, random), b"", 0, list(tensors(shape))
    for name, dims in listed:
        infos += text(name) + struct.pack("<I", len(dims)) + b"".join(struct.pack("<Q", d) for d in reversed(dims))
        infos += struct.pack("<IQ", 0 if len(dims) == 1 else number, at)
        bytes_ = dims[0] * 4 if len(dims) == 1 else dims[0] * dims[1] // values * size
        at += -(-bytes_ // ALIGN) * ALIGN
    named = list(keys(shape, sample))
    head = b"GGUF" + struct.pack("<IQQ", 3, len(listed), len(named))
    for key, what, value in named:
        head += text(key) + struct.pack("<I", what) + packed(what, value)
    head += infos
    with open(path, "wb") as f:
        f.write(head + b"\0" * (-len(head) % ALIGN))
        for name, dims in listed:
            n = 0
            for piece in body(name, dims, kind, blocks, random):
                f.write(piece)
                n += len(piece)
            f.write(b"\0" * (-n % ALIGN))
