"""A decoder that knows nothing yet, as a folder: a byte-level BPE made of some text, and weights drawn at random. For training from scratch."""
import collections
import json
import pathlib
import random
import re
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "sessions"))
import tiny  # noqa: E402

VOCAB, HIDDEN, LAYERS, HEADS, KEYS, HEAD, MIDDLE, WINDOW = 1024, 128, 4, 4, 2, 32, 384, 1024
PIECES = re.compile(r"'(?:s|t|re|ve|m|ll|d)| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")  # as GPT-2 cuts text before it merges
SPREAD = .02  # of the weights


def merges_of(text, count):
    """the pairs that byte-level BPE merges, the most frequent first; of equally frequent ones the first by its letters"""
    letters = tiny.letters()
    words = [([letters[b] for b in word.encode()], n) for word, n in sorted(collections.Counter(PIECES.findall(text)).items())]
    pairs, where = collections.Counter(), collections.defaultdict(set)
    for i, (word, n) in enumerate(words):
        for pair in zip(word, word[1:]):
            pairs[pair] += n
            where[pair].add(i)
    merges = []
    for _ in range(count):
        best = max(pairs, key=lambda p: (pairs[p], p))
        merges.append(best)
        for i in sorted(where.pop(best)):
            word, n = words[i]
            for pair in zip(word, word[1:]):
                pairs[pair] -= n
            out = []
            for letter in word:
                if out and (out[-1], letter) == best:
                    out[-1] += letter
                else:
                    out.append(letter)
            words[i] = (out, n)
            for pair in zip(out, out[1:]):
                pairs[pair] += n
                where[pair].add(i)
        del pairs[best]
    return merges


def tensors():
    """name, shape and spread (None: ones) of a Llama"""
    yield "model.embed_tokens.weight", (VOCAB, HIDDEN), SPREAD
    for i in range(LAYERS):
        layer = f"model.layers.{i}."
        yield layer + "input_layernorm.weight", (HIDDEN,), None
        for name, n in (("q", HEADS * HEAD), ("k", KEYS * HEAD), ("v", KEYS * HEAD)):
            yield f"{layer}self_attn.{name}_proj.weight", (n, HIDDEN), SPREAD
        yield layer + "self_attn.o_proj.weight", (HIDDEN, HEADS * HEAD), SPREAD / (2 * LAYERS) ** .5
        yield layer + "post_attention_layernorm.weight", (HIDDEN,), None
        for name in ("gate", "up"):
            yield f"{layer}mlp.{name}_proj.weight", (MIDDLE, HIDDEN), SPREAD
        yield layer + "mlp.down_proj.weight", (HIDDEN, MIDDLE), SPREAD / (2 * LAYERS) ** .5
    yield "model.norm.weight", (HIDDEN,), None


def put_weights(folder):
    draw, head, data = random.Random(1), {}, []
    at = 0
    for name, shape, spread in tensors():
        n = shape[0] * (shape[1] if len(shape) > 1 else 1)
        data.append(struct.pack(f"<{n}f", *([1] * n if spread is None else [draw.gauss(0, spread) for _ in range(n)])))
        head[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + 4 * n]}
        at += 4 * n
    text = json.dumps(head).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data))


def put(folder, text):
    """text: what the tokenizer is made of"""
    folder.mkdir(parents=True)
    letters = tiny.letters()
    vocab = {letters[b]: b for b in range(tiny.BYTES)}
    merges = merges_of(text, VOCAB - tiny.BYTES - len(tiny.SPECIALS))
    for a, b in merges:
        vocab[a + b] = len(vocab)
    first = len(vocab)
    level = dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=True)
    added = [dict(id=first + i, content=s, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True) for i, s in enumerate(tiny.SPECIALS)]
    tiny.put_files(folder, {
        "config.json": dict(model_type="llama", architectures=["LlamaForCausalLM"], hidden_size=HIDDEN, intermediate_size=MIDDLE, num_hidden_layers=LAYERS,
                            num_attention_heads=HEADS, num_key_value_heads=KEYS, head_dim=HEAD, vocab_size=first + len(tiny.SPECIALS), rms_norm_eps=1e-5,
                            rope_theta=10000.0, max_position_embeddings=WINDOW, tie_word_embeddings=True, hidden_act="silu", torch_dtype="float32",
                            bos_token_id=first, eos_token_id=first + 2),
        "tokenizer.json": dict(version="1.0", truncation=None, padding=None, added_tokens=added, normalizer=None, pre_tokenizer=level, decoder=level,
                               model=dict(type="BPE", vocab=vocab, merges=[f"{a} {b}" for a, b in merges])),
        "tokenizer_config.json": dict(eos_token="<|im_end|>", chat_template=tiny.CHATML)})
    put_weights(folder)
