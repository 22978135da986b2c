"""Tiny models as folders, drawn as tests/parity says: those of embedders/, and one that writes bytes in ChatML (as tiny_writer.h)."""
import json
import math
import pathlib
import struct

PARITY = pathlib.Path(__file__).resolve().parent.parent / "parity"
MASK = (1 << 64) - 1
BYTES, SPECIALS, VOCAB = 256, ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>"], 272
CHATML = ("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
          "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


def drawn(name, n, scale, shift):
    stream = 0xCBF29CE484222325
    for b in name.encode():
        stream = (stream ^ b) * 0x100000001B3 & MASK
    out = []
    for i in range(1, n + 1):
        z = stream + i * 0x9E3779B97F4A7C15 & MASK
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
        z ^= z >> 31
        out.append(shift + scale * ((z >> 40) / (1 << 23) - 1))
    return struct.pack(f"<{n}f", *out)


def put_weights(folder, tensors):
    head, data = {}, b""
    for tensor, shape, scale, shift in tensors:
        values = drawn(tensor, math.prod(shape), scale, shift)
        head[tensor] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(head).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


def put_files(folder, files):
    for file, value in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(json.dumps(value))


def put_model(folder, kind):
    made = json.loads((PARITY / "embedders" / f"{kind}.json").read_text())
    put_files(folder, made["files"])
    put_weights(folder, made["tensors"])
    return folder


def letters():
    """GPT-2's printable stand-in of each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(BYTES) if b not in plain]
    return {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(others)}


def put_writer(folder, window=512, template=CHATML):
    made = json.loads((PARITY / "decoders" / "qwen2.json").read_text())
    level = dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=True)
    added = [dict(id=BYTES + i, content=s, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
             for i, s in enumerate(SPECIALS)]
    put_files(folder, {
        "config.json": dict(made["config"], vocab_size=VOCAB, max_position_embeddings=window, bos_token_id=BYTES, eos_token_id=BYTES + 2),
        "tokenizer.json": dict(version="1.0", truncation=None, padding=None, added_tokens=added, normalizer=None, pre_tokenizer=level,
                               decoder=level, model=dict(type="BPE", vocab={c: b for b, c in letters().items()}, merges=[])),
        "tokenizer_config.json": dict(eos_token="<|im_end|>", chat_template=template)})
    put_weights(folder, [[n, [VOCAB, 64] if "embed_tokens" in n else shape, scale, shift] for n, shape, scale, shift in made["tensors"]])
    return folder
