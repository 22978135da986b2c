#!/usr/bin/env python3
"""Compares the engine with llama.cpp on the same GGUF files, teacher-forced over 256 tokens: usage: decoder_llama.py DECODER_LOGITS [MODEL…]

fp32: the tiny models of decoders/*.json, drawn again and written with the names of the PyPI package gguf (not ours): max|Δ| ≤
1e-3·max|ref|, its flash attention off, fp32 cache. Quantised: models of random blocks (bench/random_gguf.py): the mean KL divergence of
llama.cpp's distributions to ours, both as they compute usually, is at most twice that between its own flash attention off and on. Needs
gguf and llama-cpp-python.
"""
import ctypes
import json
import math
import os
import subprocess
import sys
import tempfile

import gguf
import llama_cpp
import numpy

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))
import random_gguf

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "decoders")
TOKENS = 256
LIMIT = 1e-3
CHUNKS = (16, 256)  # rows of a step: as tokens are written and checked, as prompts are read

ARCH = {"llama": "LLAMA", "llama_linear": "LLAMA", "mistral": "LLAMA", "smollm3": "SMOLLM3", "qwen2": "QWEN2", "qwen3": "QWEN3",
        "qwen3moe": "QWEN3MOE", "qwen3next_even": "QWEN3NEXT", "gptoss": "GPT_OSS", "glm4moe": "GLM4_MOE", "deepseek2": "DEEPSEEK2",
        "deepseek3": "DEEPSEEK2", "gemma2": "GEMMA2", "gemma3": "GEMMA3", "phi3": "PHI3"}


def fnv(name):
    h = 0xCBF29CE484222325
    for b in name.encode():
        h = (h ^ b) * 0x100000001B3 & (1 << 64) - 1
    return h


def numbers(name, n):
    with numpy.errstate(over="ignore"):
        z = numpy.uint64(fnv(name)) + numpy.arange(1, n + 1, dtype=numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)
        z = (z ^ z >> numpy.uint64(30)) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> numpy.uint64(27)) * numpy.uint64(0x94D049BB133111EB)
        z ^= z >> numpy.uint64(31)
    return (z >> numpy.uint64(40)).astype(numpy.float64) / (1 << 23) - 1


def turned(x, heads):
    """Rows of a head: halves become pairs, as converters for Llama do it."""
    return x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


def delta(key, x, c):
    """Of a layer of DeltaNet: queries, keys and values in order, the gates apart."""
    block, part = key.split(".")[2], key.split("linear_attn.")[1]
    heads, k = c["linear_num_key_heads"], c["linear_key_head_dim"]
    v = c["linear_value_head_dim"] * c["linear_num_value_heads"] // heads
    if part == "in_proj_qkvz.weight":
        x = x.reshape(heads, 2 * k + 2 * v, -1)
        cut = [y.reshape(-1, x.shape[-1]) for y in (x[:, :k], x[:, k:2 * k], x[:, 2 * k:2 * k + v], x[:, 2 * k + v:])]
        return {f"blk.{block}.attn_qkv.weight": numpy.concatenate(cut[:3]), f"blk.{block}.attn_gate.weight": cut[3]}
    names = {"in_proj_ba.weight": ("ssm_ba.weight", x), "conv1d.weight": ("ssm_conv1d.weight", x.squeeze()),
             "dt_bias": ("ssm_dt.bias", x), "A_log": ("ssm_a", -numpy.exp(x)), "norm.weight": ("ssm_norm.weight", x),
             "out_proj.weight": ("ssm_out.weight", x)}
    return {f"blk.{block}.{names[part][0]}": names[part][1]}


def tensors_of(name, c, values, arch):
    """GGUF's tensors by name."""
    names = gguf.get_tensor_name_map(arch, c["num_hidden_layers"])
    out, experts = {}, {}
    for key, x in values.items():
        if ".experts." in key and key.split(".experts.")[1][0].isdigit():
            stem, rest = key.split(".experts.")
            number, rest = rest.split(".", 1)
            experts.setdefault(f"{stem}.experts.{rest}", {})[int(number)] = x
            continue
        if name in ("llama", "llama_linear", "mistral", "smollm3") and (".q_proj." in key or ".k_proj." in key):
            x = turned(x, c["num_attention_heads"] if ".q_proj." in key else c["num_key_value_heads"])
        if ".linear_attn." in key:
            out.update(delta(key, x, c))
            continue
        if (name.startswith("gemma") or name == "qwen3next_even") and key.endswith("norm.weight"):
            x = x + 1
        if name == "gptoss" and ".experts." in key:
            stem = names.get_name(key.split(".experts.")[0] + ".experts.gate_up_proj") or ""
            block = key.split(".")[2]
            kind = "bias" if key.endswith("_bias") else "weight"
            if "gate_up" in key:
                for part, which in enumerate(("gate", "up")):
                    y = x[..., part::2]
                    out[f"blk.{block}.ffn_{which}_exps.{kind}"] = y if kind == "bias" else y.swapaxes(1, 2)
            else:
                out[f"blk.{block}.ffn_down_exps.{kind}"] = x if kind == "bias" else x.swapaxes(1, 2)
            continue
        if key.endswith("kv_b_proj.weight"):
            block, v = key.split(".")[2], c["v_head_dim"]
            both = x.reshape(c["num_attention_heads"], c["qk_nope_head_dim"] + v, c["kv_lora_rank"])
            out[f"blk.{block}.attn_k_b.weight"] = both[:, :-v].swapaxes(1, 2)
            out[f"blk.{block}.attn_v_b.weight"] = both[:, -v:]
            continue
        if key.endswith("self_attn.sinks"):
            out[f"blk.{key.split('.')[2]}.attn_sinks.weight"] = x
            continue
        if key.endswith("e_score_correction_bias"):
            out[f"blk.{key.split('.')[2]}.exp_probs_b.bias"] = x
            continue
        out[names.get_name(key, try_suffixes=(".weight", ".bias"))] = x
    for key, parts in experts.items():
        out[names.get_name(key, try_suffixes=(".weight", ".bias"))] = numpy.stack([parts[i] for i in range(len(parts))])
    return out


def settings(w, name, c, out):
    rope = c.get("rope_parameters") or {}
    head = c.get("head_dim") or c["hidden_size"] // c["num_attention_heads"]
    w.add_vocab_size(c["vocab_size"])
    w.add_context_length(c["max_position_embeddings"])
    w.add_embedding_length(c["hidden_size"])
    w.add_block_count(c["num_hidden_layers"])
    w.add_feed_forward_length(c["intermediate_size"])
    w.add_head_count(c["num_attention_heads"])
    w.add_layer_norm_rms_eps(c["rms_norm_eps"])
    w.add_rope_freq_base(rope.get("rope_theta", 10000.0))
    if not name.startswith("deepseek"):
        w.add_head_count_kv(c["num_key_value_heads"])
        w.add_key_length(head)
        w.add_value_length(head)
        w.add_rope_dimension_count(int(head * rope.get("partial_rotary_factor", 1)))
    if c.get("sliding_window") and name != "qwen2":
        w.add_sliding_window(c["sliding_window"])
    if rope.get("rope_type") == "linear":
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(rope["factor"])
    if rope.get("rope_type") == "yarn":
        w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        w.add_rope_scaling_factor(rope["factor"])
        w.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        w.add_rope_scaling_yarn_beta_fast(rope["beta_fast"])
        w.add_rope_scaling_yarn_beta_slow(rope["beta_slow"])
    if rope.get("rope_type") == "llama3":  # the converter turns it into divisors
        i = numpy.arange(head // 2)
        f = rope["rope_theta"] ** (-2.0 * i / head)
        turns = rope["original_max_position_embeddings"] * f / (2 * math.pi)
        low, high, factor = rope["low_freq_factor"], rope["high_freq_factor"], rope["factor"]
        smooth = numpy.clip((turns - low) / (high - low), 0, 1)
        out["rope_freqs.weight"] = (1 / ((1 - smooth) / factor + smooth)).astype(numpy.float32)
    experts = c.get("num_experts") or c.get("num_local_experts") or c.get("n_routed_experts")
    if experts:
        w.add_expert_count(experts)
        w.add_expert_used_count(c["num_experts_per_tok"])
        w.add_expert_feed_forward_length(c.get("moe_intermediate_size") or c["intermediate_size"])
    if name == "glm4moe" or name.startswith("deepseek"):
        w.add_expert_shared_count(c["n_shared_experts"])
        w.add_leading_dense_block_count(c["first_k_dense_replace"])
        w.add_expert_weights_scale(c["routed_scaling_factor"])
        sigmoid = name in ("glm4moe", "deepseek3")
        w.add_expert_weights_norm(c.get("norm_topk_prob", False) and sigmoid)
        w.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID if sigmoid else gguf.ExpertGatingFuncType.SOFTMAX)
    if name == "deepseek3":
        w.add_expert_group_count(c["n_group"])
        w.add_expert_group_used_count(c["topk_group"])
    if name.startswith("deepseek"):
        rank, turn, v = c["kv_lora_rank"], c["qk_rope_head_dim"], c["v_head_dim"]
        w.add_head_count_kv(1)
        if c.get("q_lora_rank"):
            w.add_q_lora_rank(c["q_lora_rank"])
        w.add_kv_lora_rank(rank)
        w.add_key_length(rank + turn)
        w.add_value_length(rank)
        w.add_key_length_mla(c["qk_nope_head_dim"] + turn)
        w.add_value_length_mla(v)
        w.add_rope_dimension_count(turn)
        if rope.get("rope_type") == "yarn":
            w.add_rope_scaling_yarn_log_mul(.1 * rope["mscale_all_dim"])
    if name == "qwen3next_even":
        w.add_ssm_conv_kernel(c["linear_conv_kernel_dim"])
        w.add_ssm_state_size(c["linear_key_head_dim"])
        w.add_ssm_group_count(c["linear_num_key_heads"])
        w.add_ssm_time_step_rank(c["linear_num_value_heads"])
        w.add_ssm_inner_size(c["linear_num_value_heads"] * c["linear_value_head_dim"])
        w.add_expert_shared_feed_forward_length(c["shared_expert_intermediate_size"])
        w.add_uint32("qwen3next.full_attention_interval", 2)
    if name == "gemma2":
        w.add_attn_logit_softcapping(c["attn_logit_softcapping"])
        w.add_final_logit_softcapping(c["final_logit_softcapping"])
    if name == "gemma3":
        full = c["rope_parameters"]["full_attention"]
        w.add_rope_freq_base(full["rope_theta"])
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(full["factor"])
    if name == "phi3":
        w.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        factor = c["max_position_embeddings"] / rope["original_max_position_embeddings"]
        w.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(factor) / math.log(rope["original_max_position_embeddings"])))
        out["rope_factors_long.weight"] = numpy.array(rope["long_factor"], numpy.float32)
        out["rope_factors_short.weight"] = numpy.array(rope["short_factor"], numpy.float32)


def write(name, path):
    with open(os.path.join(HERE, name + ".json")) as f:
        model = json.load(f)
    c = model["config"]
    change(name, c)
    arch = gguf.MODEL_ARCH[ARCH[name]]
    values = {key: (shift + scale * numbers(key, math.prod(shape))).astype(numpy.float32).reshape(shape)
              for key, shape, scale, shift in model["tensors"]}
    out = tensors_of(name, c, values, arch)
    w = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[arch])
    settings(w, name, c, out)
    w.add_tokenizer_model("no_vocab")
    for key, x in out.items():
        w.add_tensor(key, numpy.ascontiguousarray(x, dtype=numpy.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return c["vocab_size"]


def change(name, c):
    """What llama.cpp does otherwise than the models' makers: YaRN's ramp has whole borders always (gpt-oss has not), Phi-3 and
    models of Llama's kind have no window. What GGUF cannot say: gpt-oss's limit of 7."""
    if name == "gptoss":
        c["rope_parameters"] = {"rope_theta": 10000.0}
    if name in ("phi3", "mistral"):
        c["sliding_window"] = None


def llama_logits(path, tokens, vocab, flash=0, exact=True):
    """exact: one thread, an fp32 cache; else as it runs by itself"""
    p = llama_cpp.llama_model_default_params()
    model = llama_cpp.llama_model_load_from_file(path.encode(), p)
    assert model, path
    q = llama_cpp.llama_context_default_params()
    q.n_ctx, q.n_batch, q.n_ubatch = TOKENS, TOKENS, TOKENS
    q.n_threads = q.n_threads_batch = 1 if exact else len(os.sched_getaffinity(0))  # its own default may be more than there are: they spin
    if exact:
        q.type_k = q.type_v = 0  # fp32
    q.flash_attn_type = flash
    q.swa_full = True
    context = llama_cpp.llama_init_from_model(model, q)
    assert context, path
    batch = llama_cpp.llama_batch_init(TOKENS, 0, 1)
    batch.n_tokens = len(tokens)
    for i, t in enumerate(tokens):
        batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = int(t), i, 1, 1
        batch.seq_id[i][0] = 0
    assert llama_cpp.llama_decode(context, batch) == 0
    at = llama_cpp.llama_get_logits(context)
    x = numpy.ctypeslib.as_array(ctypes.cast(at, ctypes.POINTER(ctypes.c_float)), (len(tokens), vocab)).copy()
    llama_cpp.llama_free(context)
    llama_cpp.llama_model_free(model)
    return x


def our_logits(tool, path, tokens, vocab, *how):
    with tempfile.TemporaryDirectory() as folder:
        ids, out = os.path.join(folder, "tokens"), os.path.join(folder, "logits")
        tokens.tofile(ids)
        run = subprocess.run([tool, path, ids, out, *map(str, how)], capture_output=True, text=True)
        if run.returncode:
            raise RuntimeError(run.stderr.strip())
        return numpy.fromfile(out, dtype=numpy.float32).reshape(len(tokens), vocab)


def tokens_of(vocab):
    return ((numbers("llama.cpp", TOKENS) + 1) / 2 * vocab).astype(numpy.uint32)


def exact(tool, name, path):
    vocab = write(name, path)
    tokens = tokens_of(vocab)
    theirs = llama_logits(path, tokens, vocab)
    worst, top = max(abs(our_logits(tool, path, tokens, vocab, "exact", chunk) - theirs).max() for chunk in CHUNKS), abs(theirs).max()
    print(f"{name}: {worst / top:.2e} of {top:.3g}", flush=True)
    return worst <= LIMIT * top


def logs(x):
    x = x.astype(numpy.float64)
    x -= x.max(1, keepdims=True)
    return x - numpy.log(numpy.exp(x).sum(1, keepdims=True))


def divergence(p, q):
    return float((numpy.exp(p) * (p - q)).sum(1).mean())


def quantised(tool, kind, path):
    random_gguf.write(path, "small", kind)
    vocab = random_gguf.SHAPES["small"][-1]
    tokens = tokens_of(vocab)
    off, on = (logs(llama_logits(path, tokens, vocab, flash, exact=False)) for flash in (0, 1))
    own = divergence(off, on)
    ours = {chunk: divergence(off, logs(our_logits(tool, path, tokens, vocab, "fast", chunk))) for chunk in CHUNKS}
    print(f"{kind}: KL " + ", ".join(f"{kl:.2e} in steps of {chunk}" for chunk, kl in ours.items()) + f"; its own with flash attention {own:.2e}",
          flush=True)
    return max(ours.values()) <= 2 * own


def main(tool, chosen):
    quiet = llama_cpp.llama_log_callback(lambda *_: None)  # kept: the library calls it
    llama_cpp.llama_log_set(quiet, None)
    failed = 0
    for name in chosen or [*ARCH, *random_gguf.TYPES]:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.gguf")
            try:
                fine = (exact if name in ARCH else quantised)(tool, name, path)
            except RuntimeError as e:
                print(f"{name}: {e}")
                fine = False
            failed += not fine
    return failed != 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
