#!/usr/bin/env python3
"""Writes decoders/<model>.json and .f32: logits of tiny random decoders, computed by transformers and PyTorch in double precision.

Weights are drawn from a counter-based generator that tests/unit/engine/test_decoder_parity.c repeats: the .json holds the
model's config.json, and for each tensor of its safetensors file (name, shape, scale, shift) with value = shift + scale·u, u in
[-1, 1). They are drawn so that every term matters: gains in [.5, 1.5], biases and sinks with a deviation of .5, queries and keys
scaled until attention is peaked; sequences are longer than windows and than the original RoPE length.

Needs torch and transformers. usage: make_decoders.py [--check] [MODEL…]
--check writes nothing: it computes again and compares with what is committed, to 1e-5 of the largest logit.
"""
import json
import math
import os
import sys
import tempfile

import numpy
import torch
import transformers
from safetensors import safe_open
from safetensors.numpy import save_file

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "decoders")
LENGTHS = [1, 7, 70]
CHECK = 1e-5


def fnv(name):
    h = 0xCBF29CE484222325
    for b in name.encode():
        h = (h ^ b) * 0x100000001B3 & (1 << 64) - 1
    return h


def numbers(name, n):
    """The first n numbers of a stream, in [-1, 1), exact in fp32 (24 bits)."""
    with numpy.errstate(over="ignore"):
        z = numpy.uint64(fnv(name)) + numpy.arange(1, n + 1, dtype=numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)
        z = (z ^ z >> numpy.uint64(30)) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> numpy.uint64(27)) * numpy.uint64(0x94D049BB133111EB)
        z ^= z >> numpy.uint64(31)
    return (z >> numpy.uint64(40)).astype(numpy.float64) / (1 << 23) - 1


BASE = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
            vocab_size=48, max_position_embeddings=256, rms_norm_eps=1e-5, tie_word_embeddings=False,
            bos_token_id=1, eos_token_id=2, pad_token_id=0)
YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=8.0, original_max_position_embeddings=32, beta_fast=4.0, beta_slow=1.0)
EXPERTS = dict(moe_intermediate_size=40, num_experts_per_tok=3)


def factors(n, most):
    return [1 + (most - 1) * i / (n - 1) for i in range(n)]


MODELS = {  # model_type and what differs from BASE
    "llama": ("llama", dict(rope_parameters=dict(rope_type="llama3", rope_theta=500.0, factor=8.0, low_freq_factor=1.0,
                                                 high_freq_factor=4.0, original_max_position_embeddings=32))),
    "llama_linear": ("llama", dict(hidden_size=60, num_attention_heads=5, num_key_value_heads=5, attention_bias=True, mlp_bias=True,
                                   rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=4.0))),
    "mistral": ("mistral", dict(head_dim=22, sliding_window=16)),
    "smollm3": ("smollm3", dict(num_hidden_layers=4, no_rope_layers=[1, 0, 1, 0], tie_word_embeddings=True)),
    "qwen2": ("qwen2", dict(rope_parameters=YARN, use_sliding_window=False, tie_word_embeddings=True)),
    "qwen3": ("qwen3", dict(head_dim=20, use_sliding_window=False)),
    "qwen3moe": ("qwen3_moe", dict(head_dim=16, num_experts=8, norm_topk_prob=True, decoder_sparse_step=1, mlp_only_layers=[], **EXPERTS)),
    "qwen3next": ("qwen3_next", dict(head_dim=16, num_hidden_layers=4, num_experts=8, norm_topk_prob=True, decoder_sparse_step=1,
                                     mlp_only_layers=[], shared_expert_intermediate_size=24, linear_num_key_heads=2,
                                     linear_num_value_heads=4, linear_key_head_dim=12, linear_value_head_dim=10,
                                     linear_conv_kernel_dim=4,
                                     layer_types=["linear_attention", "full_attention", "linear_attention", "full_attention"],
                                     rope_parameters=dict(rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.25), **EXPERTS)),
    "gptoss": ("gpt_oss", dict(head_dim=16, num_local_experts=6, num_experts_per_tok=2, sliding_window=16, num_hidden_layers=4,
                               intermediate_size=40, rope_parameters=dict(YARN, truncate=False), swiglu_limit=1.5)),
    "glm4moe": ("glm4_moe", dict(head_dim=16, n_routed_experts=8, n_shared_experts=2, first_k_dense_replace=1, n_group=4,
                                 topk_group=2, norm_topk_prob=True, routed_scaling_factor=1.5, attention_bias=True, use_qk_norm=True,
                                 rope_parameters=dict(rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.5), **EXPERTS)),
    "deepseek2": ("deepseek_v2", dict(num_key_value_heads=4, q_lora_rank=24, kv_lora_rank=20, qk_nope_head_dim=12, qk_rope_head_dim=8,
                                      v_head_dim=14, n_routed_experts=8, n_shared_experts=2, first_k_dense_replace=1, n_group=4,
                                      topk_group=2, topk_method="group_limited_greedy", routed_scaling_factor=1.5,
                                      rope_parameters=dict(YARN, mscale=0.7, mscale_all_dim=0.5), **EXPERTS)),
    "deepseek2_lite": ("deepseek_v2", dict(num_key_value_heads=4, q_lora_rank=None, kv_lora_rank=20, qk_nope_head_dim=12,
                                           qk_rope_head_dim=8, v_head_dim=14, n_routed_experts=8, n_shared_experts=1,
                                           first_k_dense_replace=1, topk_method="greedy", n_group=1, topk_group=1, **EXPERTS)),
    "deepseek3": ("deepseek_v3", dict(num_key_value_heads=4, q_lora_rank=24, kv_lora_rank=20, qk_nope_head_dim=12, qk_rope_head_dim=8,
                                      v_head_dim=14, n_routed_experts=8, n_shared_experts=1, first_k_dense_replace=1, n_group=4,
                                      topk_group=2, norm_topk_prob=True, routed_scaling_factor=2.5,
                                      rope_parameters=dict(YARN, mscale=0.7, mscale_all_dim=0.5), **EXPERTS)),
    "gemma2": ("gemma2", dict(head_dim=24, query_pre_attn_scalar=20, sliding_window=16, num_hidden_layers=4, tie_word_embeddings=True,
                              attn_logit_softcapping=5.0, final_logit_softcapping=3.0, hidden_activation="gelu_pytorch_tanh")),
    "gemma3": ("gemma3_text", dict(head_dim=24, query_pre_attn_scalar=20, sliding_window=16, num_hidden_layers=4,
                                   tie_word_embeddings=True, hidden_activation="gelu_pytorch_tanh",
                                   layer_types=["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
                                   rope_parameters=dict(full_attention=dict(rope_type="linear", factor=8.0, rope_theta=100000.0),
                                                        sliding_attention=dict(rope_type="default", rope_theta=10000.0)))),
    "phi3": ("phi3", dict(sliding_window=24, original_max_position_embeddings=32,
                          rope_parameters=dict(rope_type="longrope", rope_theta=10000.0, long_factor=factors(8, 12),
                                               short_factor=factors(8, 2), original_max_position_embeddings=32))),
}
MODELS["phi3_short"] = MODELS["phi3"]
kind, knobs = MODELS["qwen3next"]
MODELS["qwen3next_even"] = kind, dict(knobs, linear_value_head_dim=12)  # llama.cpp wants values as wide as keys
LENGTHS_OF = {"phi3": [33, 70], "phi3_short": [1, 32]}  # transformers takes the factors by each length, the engine by the context
CONTEXT_OF = {"phi3_short": 32}
ENCODERS = {  # unit vectors of the first token; NomicBERT's and ModernBERT's own defaults but for sizes
    "nomic": ("nomic_bert", dict(hidden_size=60, num_attention_heads=5, intermediate_size=88, num_hidden_layers=3, vocab_size=48,
                                 max_position_embeddings=128, rope_parameters=dict(rope_type="default", rope_theta=1000.0))),
    "cross": ("bert", dict(hidden_size=60, num_attention_heads=5, intermediate_size=88, num_hidden_layers=2, vocab_size=48,
                           max_position_embeddings=128, num_labels=1)),  # a score for each sequence, the first third is the question
    "modernbert": ("modernbert", dict(hidden_size=64, num_attention_heads=4, intermediate_size=88, num_hidden_layers=5, vocab_size=48,
                                      max_position_embeddings=128, local_attention=16, pad_token_id=0, eos_token_id=2, bos_token_id=1,
                                      cls_token_id=1, sep_token_id=2)),
}
OFFSET = {"gemma2", "gemma3_text", "qwen3_next"}  # files hold norms' gain - 1


def rule(kind, name, shape):
    """scale and shift of a tensor's numbers."""
    if ("norm" in name.lower() or "emb_ln" in name) and name.endswith("weight"):
        return .5, 0.0 if kind in OFFSET and "linear_attn.norm" not in name else 1.0
    if "correction_bias" in name:
        return .25, 0.0
    if "bias" in name or "sinks" in name:
        return .875, 0.0
    if "A_log" in name:
        return 1.0, .5
    if "conv1d" in name:
        return 1.0, 0.0
    if "embed_tokens" in name or "embeddings." in name:
        return (.125 if kind.startswith("gemma") else 1.0), 0.0
    if kind == "modernbert":  # five layers of norms before: peaked enough, and int8 operands stay within .99
        return 2 / 2 ** math.ceil(math.log2(shape[1]) / 2), 0.0
    k = shape[1]  # inputs, of [out, in] and of gpt-oss's [experts, in, out]
    wide = 4 if any(x in name.lower() for x in ("query", ".key", "q_proj", "k_proj", "qkv", "q_b_proj", "kv_a_proj", "gate.weight", "router")) else 2
    return wide / 2 ** math.ceil(math.log2(k) / 2), 0.0


def make(name):
    """The model in double precision, its config, that config as its file has it, and its tensors' list."""
    encoder = name in ENCODERS
    kind, knobs = ENCODERS[name] if encoder else MODELS[name]
    config = transformers.AutoConfig.for_model(kind, **(knobs if encoder else {**BASE, **knobs}))
    maker = transformers.AutoModel if encoder else transformers.AutoModelForCausalLM
    if name == "cross":
        maker = transformers.AutoModelForSequenceClassification
    model = maker.from_config(config)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        path = os.path.join(folder, "model.safetensors")
        with safe_open(path, "np") as f:
            shapes = {key: list(f.get_slice(key).get_shape()) for key in f.keys()}
        tensors = []
        values = {}
        for key in sorted(shapes):
            scale, shift = rule(kind, key, shapes[key])
            tensors.append([key, shapes[key], scale, shift])
            x = shift + scale * numbers(key, math.prod(shapes[key]))
            values[key] = x.astype(numpy.float32).reshape(shapes[key])
        save_file(values, path, metadata={"format": "pt"})
        model = maker.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager",
                                                                  experts_implementation="eager").eval()
        with open(os.path.join(folder, "config.json")) as f:
            written = json.load(f)
    return model, config, written, tensors


def build(name):
    encoder = name in ENCODERS
    model, config, written, tensors = make(name)
    out = []
    for s, n in enumerate(LENGTHS_OF.get(name, LENGTHS)):
        ids = ((numbers(f"tokens.{s}", n) + 1) / 2 * config.vocab_size).astype(numpy.int64)
        with torch.no_grad():
            if name == "cross":
                types = [[int(i >= n // 3) for i in range(n)]]
                out.append(model(input_ids=torch.tensor(ids[None]), token_type_ids=torch.tensor(types)).logits[0, None].numpy())
                continue
            if encoder:
                first = model(input_ids=torch.tensor(ids[None])).last_hidden_state[0, :1]
                out.append((first / first.norm()).numpy())
                continue
            out.append(model(input_ids=torch.tensor(ids[None]), use_cache=False).logits[0].double().numpy())
    return written, tensors, numpy.concatenate(out)


def main(arguments):
    check = "--check" in arguments
    failed = 0
    for name in [a for a in arguments if a != "--check"] or [*MODELS, *ENCODERS]:
        config, tensors, logits = build(name)
        top = abs(logits).max()
        path = os.path.join(HERE, name)
        if check:
            kept = numpy.fromfile(path + ".f32", dtype="<f4").reshape(logits.shape)
            worst = abs(kept - logits).max()
            print(f"{name}: {worst / top:.2e} of {top:.3g}")
            failed += not worst <= CHECK * top
            continue
        with open(path + ".json", "w") as f:
            rows = ",\n".join(" " + json.dumps(t) for t in tensors)
            f.write('{"lengths": %s, "context": %d, "encoder": %s, "scores": %s,\n"config": %s,\n"tensors": [\n%s\n]}\n' % (
                LENGTHS_OF.get(name, LENGTHS), CONTEXT_OF.get(name, 0), json.dumps(name in ENCODERS), json.dumps(name == "cross"), json.dumps(config, sort_keys=True), rows))
        logits.astype("<f4").tofile(path + ".f32")
        print(f"{name}: {len(tensors)} tensors, logits {logits.shape}, largest {top:.3g}", flush=True)
    return failed != 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
