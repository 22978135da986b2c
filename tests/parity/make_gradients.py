#!/usr/bin/env python3
"""Writes gradients/<model>.f32 and gradients.json: loss and LoRA gradients of tiny decoders, and their adapters after 20 steps of AdamW,
computed by PyTorch in double precision with autograd and torch.optim.

The models are make_decoders.py's. Every linear map of a layer has an adapter as PEFT defines it, y += alpha/r·(x·Aᵀ)·Bᵀ, whose A and B
are drawn from the same generator, B not zero; tests/unit/engine/test_gradient.c repeats that. Texts are ragged, and some tokens of
them are read but not learned. A .f32 holds the gradients of the mean loss, layer by layer, module by module, A before B; then, for
the model of STEPS_OF, the values after the steps.

Needs torch and transformers. usage: make_gradients.py [--check] [MODEL…]
--check writes nothing: it computes again and compares with what is committed, to 1e-6 of each tensor's norm.
"""
import json
import math
import os
import sys

import numpy
import torch

import make_decoders

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gradients")
MODULES = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_proj",
           "mlp.up_proj", "mlp.gate_up_proj", "mlp.down_proj"]  # in the order of enum lora_target
MODELS = ["llama", "mistral", "qwen2", "qwen3", "gemma2", "phi3_short"]  # tied and not, biases, windows, norms of heads, caps, fused
RANK, ALPHA = 2, 3.0
LENGTHS = [2, 9, 31, 18]
LEARN = [1, 4, 1, 17]  # the first token that is learned
STEPS_OF, STEPS = "qwen2", 20
OPTIONS = dict(lr=0.002, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
WARMUP, LEAST, CLIP = 4, 0.1, 0.5
CHECK = 1e-6


def texts(vocab):
    return [((make_decoders.numbers(f"train.{s}", n) + 1) / 2 * vocab).astype(numpy.int64) for s, n in enumerate(LENGTHS)]


def adapt(model):
    """Names and parameters, in order; the model's own weights are frozen."""
    model.requires_grad_(False)
    modules = dict(model.named_modules())
    out = []
    for layer in range(model.config.num_hidden_layers):
        for module in MODULES:
            name = f"model.layers.{layer}.{module}"
            if name not in modules:
                continue
            n, k = modules[name].weight.shape
            pair = []
            for letter, shape, scale in (("A", (RANK, k), 2 / 2 ** math.ceil(math.log2(k) / 2)), ("B", (n, RANK), .25)):
                x = scale * make_decoders.numbers(f"{name}.{letter}", math.prod(shape))
                pair.append(torch.nn.Parameter(torch.tensor(x.reshape(shape), dtype=torch.float64)))
                out.append((f"{name}.{letter}", pair[-1]))
            a, b = pair
            modules[name].register_forward_hook(lambda m, i, o, a=a, b=b: o + ALPHA / RANK * (i[0] @ a.T) @ b.T)
    return out


def loss_of(model, ids, which):
    """Mean over the learned tokens of those texts."""
    total, count = 0, 0
    for s in which:
        logits = model(input_ids=torch.tensor(ids[s][None]), use_cache=False).logits[0].double()
        target = torch.tensor(ids[s])[LEARN[s]:]
        total = total + torch.nn.functional.cross_entropy(logits[LEARN[s] - 1:-1], target, reduction="sum")
        count += len(target)
    return total / count


def rate(step):
    """Of step 0 and on: linear warm-up, then a cosine down to LEAST."""
    if step < WARMUP:
        return (step + 1) / WARMUP
    return LEAST + (1 - LEAST) * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP))) / 2


def build(name):
    model, config, _, _ = make_decoders.make(name)
    single, torch.float32 = torch.float32, torch.float64  # transformers' norms and softmax would round to float32 inside
    try:
        return run(name, model, config)
    finally:
        torch.float32 = single


def run(name, model, config):
    ids = texts(config.vocab_size)
    named = adapt(model)
    loss = loss_of(model, ids, range(len(ids)))
    loss.backward()
    out = [p.grad.numpy().copy() for _, p in named]
    facts = {"loss": loss.item(), "rank": RANK, "alpha": ALPHA, "lengths": LENGTHS, "learn": LEARN}
    if name == STEPS_OF:
        parameters = [p for _, p in named]
        optimizer = torch.optim.AdamW(parameters, **OPTIONS)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        norms = []
        for step in range(STEPS):
            optimizer.zero_grad()
            loss = loss_of(model, ids, [step % len(ids), (step + 2) % len(ids)])
            loss.backward()
            norms.append(torch.nn.utils.clip_grad_norm_(parameters, CLIP).item())
            optimizer.step()
            schedule.step()
        out += [p.detach().numpy() for p in parameters]
        facts.update(steps=STEPS, last_loss=loss.item(), norms=norms)
    return facts, out


def main(arguments):
    check = "--check" in arguments
    failed = 0
    path = os.path.join(HERE, "gradients.json")
    facts = {}
    if os.path.exists(path):
        with open(path) as f:
            facts = json.load(f)
    for name in [a for a in arguments if a != "--check"] or MODELS:
        fact, tensors = build(name)
        file = os.path.join(HERE, name + ".f32")
        flat = numpy.concatenate([t.ravel() for t in tensors])
        if not check:
            flat.astype("<f4").tofile(file)
            facts[name] = fact
            print(f"{name}: {len(tensors)} tensors, {flat.size} numbers, loss {fact['loss']:.6f}", flush=True)
            continue
        kept = numpy.fromfile(file, dtype="<f4").astype(numpy.float64)
        worst, at = abs(facts[name]["loss"] - fact["loss"]), 0
        for t in tensors:
            worst = max(worst, numpy.linalg.norm(kept[at:at + t.size] - t.ravel()) / numpy.linalg.norm(t))
            at += t.size
        print(f"{name}: gradients, {worst:.2e}")
        failed += not (worst <= CHECK and at == kept.size)
    if not check:
        with open(path, "w") as f:
            json.dump(facts, f, indent=1, sort_keys=True)
            f.write("\n")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
