#!/usr/bin/env python3
"""Writes gradients/<model>.f32, <model>.full.f32 and gradients.json: loss and gradients of tiny decoders, of LoRA and of all weights, and what
they are after 20 steps of AdamW, computed by PyTorch in double precision with autograd and torch.optim.

The models are make_decoders.py's. Every linear map of a layer has an adapter as PEFT defines it, y += alpha/r·(x·Aᵀ)·Bᵀ, whose A and B
are drawn from the same generator, B not zero; tests/unit/engine/test_gradient.c repeats that. Texts are ragged, and some tokens of
them are read but not learned. A .f32 holds the gradients of the mean loss, layer by layer, module by module, A before B; then, for
the model of STEPS_OF, the values after the steps. A .full.f32 holds of each of the model's own tensors, as gradients.json names them, the norm
of its gradient and SKETCH products of it with drawn vectors in [-1, 1), which tell another gradient's distance: the mean square of their
differences is a third of the square of its norm (a tensor as such would be half a megabyte a model). The model is as it is, without adapters.

Needs torch and transformers. usage: make_gradients.py [--check] [MODEL…]
--check writes nothing: it computes again and compares with what is committed, to 1e-6 of each tensor's norm.
"""
import copy
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
FULL_OPTIONS = dict(OPTIONS, lr=0.0005, eps=1e-5)  # eps above fp32's rounding: some gradients are all but 0, and AdamW divides by their size
WARMUP, LEAST, CLIP = 4, 0.1, 0.5
SKETCH = 32
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


def sketch(tensor):
    flat = tensor.detach().numpy().ravel().astype(numpy.float64)
    drawn = numpy.stack([make_decoders.numbers(f"sketch.{j}", flat.size) for j in range(SKETCH)])
    return numpy.concatenate([[numpy.linalg.norm(flat)], drawn @ flat])


def steps_of(model, ids, parameters, options):
    """STEPS of AdamW; the last loss, and the gradient's norm before each."""
    optimizer = torch.optim.AdamW(parameters, **options)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    norms = []
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of(model, ids, [step % len(ids), (step + 2) % len(ids)])
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, CLIP).item())
        optimizer.step()
        schedule.step()
    return loss.item(), norms


def all_weights(name, model, ids):
    """of a model of its own: facts, and a sketch of each tensor's gradient (then of its values after the steps)"""
    model.requires_grad_(True)
    model.zero_grad()
    named = list(model.named_parameters())
    loss = loss_of(model, ids, range(len(ids)))
    loss.backward()
    facts = {"loss": loss.item(), "tensors": [n for n, _ in named]}
    out = [sketch(p.grad) for _, p in named]
    if name == STEPS_OF:
        facts["last_loss"], facts["norms"] = steps_of(model, ids, [p for _, p in named], FULL_OPTIONS)
        out += [sketch(p) for _, p in named]
    return facts, out


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
    full, sketches = all_weights(name, copy.deepcopy(model), ids)
    named = adapt(model)
    loss = loss_of(model, ids, range(len(ids)))
    loss.backward()
    out = [p.grad.numpy().copy() for _, p in named]
    facts = {"full": full, "loss": loss.item(), "rank": RANK, "alpha": ALPHA, "lengths": LENGTHS, "learn": LEARN}
    if name == STEPS_OF:
        parameters = [p for _, p in named]
        last, norms = steps_of(model, ids, parameters, OPTIONS)
        out += [p.detach().numpy() for p in parameters]
        facts.update(steps=STEPS, last_loss=last, norms=norms)
    return facts, out, sketches


def main(arguments):
    check = "--check" in arguments
    failed = 0
    path = os.path.join(HERE, "gradients.json")
    facts = {}
    if os.path.exists(path):
        with open(path) as f:
            facts = json.load(f)
    for name in [a for a in arguments if a != "--check"] or MODELS:
        fact, tensors, sketches = build(name)
        file, full = (os.path.join(HERE, name + end) for end in (".f32", ".full.f32"))
        flat = numpy.concatenate([t.ravel() for t in tensors])
        if not check:
            flat.astype("<f4").tofile(file)
            numpy.concatenate(sketches).astype("<f4").tofile(full)
            facts[name] = fact
            print(f"{name}: {len(tensors)} tensors, {flat.size} numbers, loss {fact['loss']:.6f}", flush=True)
            continue
        kept = numpy.fromfile(file, dtype="<f4").astype(numpy.float64)
        worst, at = abs(facts[name]["loss"] - fact["loss"]), 0
        for t in tensors:
            worst = max(worst, numpy.linalg.norm(kept[at:at + t.size] - t.ravel()) / numpy.linalg.norm(t))
            at += t.size
        ours = numpy.fromfile(full, dtype="<f4").astype(numpy.float64).reshape(-1, SKETCH + 1)
        worst = max(worst, abs(facts[name]["full"]["loss"] - fact["full"]["loss"]),
                    *(numpy.abs(a - b).max() / b[0] for a, b in zip(ours, sketches)))
        print(f"{name}: gradients, {worst:.2e}")
        failed += not (worst <= CHECK and at == kept.size and len(ours) == len(sketches))
    if not check:
        with open(path, "w") as f:
            json.dump(facts, f, indent=1, sort_keys=True)
            f.write("\n")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
