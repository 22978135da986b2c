#!/usr/bin/env python3
"""Writes bert_*.txt: vectors of tiny random BERT encoders, computed by PyTorch in double precision.

The weights are drawn from a counter-based generator that tests/unit/engine/test_bert_parity.c repeats, so that only the
vectors are kept. They are drawn so that every term matters (on a default-initialised model deleting every bias of the
attention changes nothing that could be seen): this script checks that leaving out any one tensor moves the vectors by at
least 20 times the test's tolerance. The key's bias is the exception by nature: softmax does not see it.

Needs torch and transformers. Run: python3 tests/parity/make_bert.py
"""
import math
import os

import torch
from transformers import BertConfig, BertModel

MASK = (1 << 64) - 1
TOLERANCE = 2e-4


def fnv(name):
    h = 0xCBF29CE484222325
    for b in name.encode():
        h = (h ^ b) * 0x100000001B3 & MASK
    return h


def number(stream, i):
    """The i-th number of a stream, in [-1, 1)."""
    z = (stream + (i + 1) * 0x9E3779B97F4A7C15) & MASK
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    z ^= z >> 31
    return (z >> 40) / (1 << 23) - 1  # 24 bits: exact in fp32


def draw(name, shape):
    n = math.prod(shape)
    stream = fnv(name)
    x = torch.tensor([number(stream, i) for i in range(n)], dtype=torch.float64).reshape(shape)
    if name.endswith("LayerNorm.weight"):
        return 1 + x / 2
    if len(shape) == 1 or "embeddings" in name:
        return x
    return x * 4 / 2 ** math.ceil(math.log2(shape[1]) / 2)  # a power of two near 4/√k: scores spread, softmax not flat


MODELS = {
    "bert_mean": dict(hidden_size=64, num_attention_heads=2, num_hidden_layers=3, intermediate_size=128, vocab_size=100,
                      max_position_embeddings=64, type_vocab_size=2, hidden_act="gelu", pooling="mean"),
    "bert_first": dict(hidden_size=72, num_attention_heads=3, num_hidden_layers=2, intermediate_size=100, vocab_size=50,
                       max_position_embeddings=40, type_vocab_size=2, hidden_act="gelu_new", pooling="first"),
}
LENGTHS = [1, 7, 31, 33, 40]


def vectors(model, pooling, vocab):
    out = []
    for s, n in enumerate(LENGTHS):
        ids = [int((number(fnv("tokens"), 1000 * s + i) + 1) / 2 * vocab) for i in range(n)]
        with torch.no_grad():
            h = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
        v = h.mean(0) if pooling == "mean" else h[0]
        out.append(v / v.norm())
    return torch.stack(out)


for name, knobs in MODELS.items():
    knobs = dict(knobs)
    pooling = knobs.pop("pooling")
    config = BertConfig(**knobs, layer_norm_eps=1e-12, attn_implementation="eager")
    model = BertModel(config, add_pooling_layer=False).double().eval()
    tensors = {k: p for k, p in model.named_parameters()}
    for key, p in tensors.items():
        p.data = draw(key, tuple(p.shape))
    ref = vectors(model, pooling, config.vocab_size)
    for key, p in tensors.items():
        keep = p.data.clone()
        p.data = torch.ones_like(keep) if key.endswith("LayerNorm.weight") else torch.zeros_like(keep)
        moved = (vectors(model, pooling, config.vocab_size) - ref).abs().max() / ref.abs().max()
        p.data = keep
        if key.endswith("key.bias"):
            assert moved < 1e-9, (key, moved)
        else:
            assert moved > 20 * TOLERANCE, (key, moved)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".txt")
    with open(path, "w") as f:
        for row in ref:
            f.write(" ".join(f"{x:.9g}" for x in row.tolist()) + "\n")
    print(path, tuple(ref.shape))
