#!/usr/bin/env python3
"""Embedding of code chunks, beside sentence-transformers (fp32, bf16) and onnxruntime (fused graph, int8 u8s8).

All engines run all-MiniLM-L6-v2 with the same number of threads on the same real code (pieces of the Python packages
installed here), tokenizer included, in turn: round after round each takes the same chunks, and the ratio of a row is the
median over the rounds, so that a busy machine slows them alike. Peers get their texts sorted by length and the better of
batches of 8 and 32.
"""
import glob
import json
import os
import pathlib
import statistics
import subprocess
import sys
import sysconfig
import time
import zlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RELEASE = pathlib.Path(os.environ.get("CODEASK_BENCH_RELEASE", ROOT / "build" / "release"))
WORK = ROOT / "build" / "bench"
MODEL = "all-MiniLM-L6-v2"
THREADS = int(os.environ.get("CODEASK_BENCH_THREADS", 0)) or len(os.sched_getaffinity(0))
LINES, CHUNKS, ROUNDS, MAX_TOKENS = 17, 1000, 5, 256  # 17 lines of Python are about 187 tokens
EACH = 96  # chunks an engine takes in a round
QUERY = "where are requests retried after the server closes the connection early"  # 15 tokens with both ends


def model_folder():
    places = os.environ.get("CODEASK_MODELS", "").split(":") + [ROOT / "build" / "deps" / "models",
                                                                RELEASE / "share" / "codeask" / "models"]
    for place in places:
        if place and (pathlib.Path(place) / MODEL / "model.safetensors").exists():
            return pathlib.Path(place) / MODEL
    raise SystemExit(f"the model {MODEL} is not in build/deps/models (scripts/fetch-deps)")


def chunks(lines_each=LINES, each=4, wanted=CHUNKS):
    """the same ones for the same packages, from all over them"""
    files = sorted(glob.glob(sysconfig.get_paths()["purelib"] + "/**/*.py", recursive=True)
                   + glob.glob(sysconfig.get_paths()["stdlib"] + "/*.py"), key=lambda p: zlib.crc32(os.path.basename(p).encode()))
    found = []
    for path in files:
        lines = open(path, encoding="utf-8", errors="replace").read().replace("\0", "").split("\n")
        pieces = ["\n".join(lines[i:i + lines_each]) for i in range(0, len(lines) - lines_each + 1, lines_each)]
        found += [p for p in pieces if len(p) > 150][:each]
        if len(found) >= wanted:
            return found[:wanted]
    raise SystemExit(f"only {len(found)} chunks of code in the installed packages")


class Ours:
    def __init__(self, model, texts, *how):
        path = WORK / "texts"
        path.write_bytes(b"".join(t.encode() + b"\0" for t in [QUERY] + texts))
        self.child = subprocess.Popen([str(RELEASE / "bench_engine_embed"), str(model), str(path), str(THREADS), *how],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.name = "codeask " + self.child.stdout.readline().strip()

    def ask(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()
        said = self.child.stdout.readline()
        if not said:
            raise SystemExit("bench_engine_embed ended")
        return float(said)

    def seconds(self, texts, start):
        return self.ask(f"documents {1 + start} {len(texts)}")

    def query_ms(self):
        return self.ask("query 200")

    def vectors(self, n):
        import numpy
        path = WORK / "vectors"
        self.tokens = self.ask(f"write {path}")
        return numpy.fromfile(path, dtype="<f4").reshape(n + 1, -1)[1:]


class Peer:
    """encode(texts, batch) → unit vectors"""

    def warm(self, texts):
        self.batch = min((8, 32), key=lambda b: self.timed(texts, b))

    def timed(self, texts, batch):
        start = time.perf_counter()
        self.encode(texts, batch)
        return time.perf_counter() - start

    def seconds(self, texts, start):
        return self.timed(texts, self.batch)

    def query_ms(self):
        return 1000 * statistics.median(self.timed([QUERY], 1) for _ in range(100))


class SentenceTransformers(Peer):
    def __init__(self, model, dtype):
        import torch
        from sentence_transformers import SentenceTransformer
        torch.set_num_threads(THREADS)
        self.name = f"sentence-transformers {dtype}"
        self.model = SentenceTransformer(str(model), device="cpu", model_kwargs={"dtype": getattr(torch, dtype)})
        self.model.max_seq_length = MAX_TOKENS

    def encode(self, texts, batch):
        return self.model.encode(texts, batch_size=batch, normalize_embeddings=True, show_progress_bar=False)


class OnnxRuntime(Peer):
    def __init__(self, model):
        import onnxruntime
        from tokenizers import Tokenizer
        path = WORK / "minilm-u8s8.onnx"
        if not path.exists():
            self.export(model, path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        self.name = "onnxruntime int8"
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs = [i.name for i in self.session.get_inputs()]
        self.tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.tokenizer.enable_padding()

    @staticmethod
    def export(model, path):
        """PyTorch → ONNX → onnxruntime's fused BERT ops → int8 weights per channel, activations uint8 by row batch"""
        import torch
        from onnxruntime.quantization import QuantType, quantize_dynamic
        from onnxruntime.transformers import optimizer
        from onnxruntime.transformers.fusion_options import FusionOptions
        from transformers import AutoModel

        class States(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.bert = AutoModel.from_pretrained(str(model), attn_implementation="eager").eval()

            def forward(self, input_ids, attention_mask, token_type_ids):
                return self.bert(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).last_hidden_state
        names = ["input_ids", "attention_mask", "token_type_ids"]
        ids = torch.randint(1000, 2000, (2, 16))
        states, plain, fused = States(), str(WORK / "minilm.onnx"), str(WORK / "minilm-fused.onnx")
        torch.onnx.export(states, (ids, torch.ones_like(ids), torch.zeros_like(ids)), plain, input_names=names,
                          output_names=["states"], opset_version=17, dynamo=False,
                          dynamic_axes={n: {0: "batch", 1: "tokens"} for n in names + ["states"]})
        optimizer.optimize_model(plain, model_type="bert", num_heads=states.bert.config.num_attention_heads,
                                 hidden_size=states.bert.config.hidden_size,
                                 optimization_options=FusionOptions("bert")).save_model_to_file(fused)
        quantize_dynamic(fused, str(path) + ".tmp", weight_type=QuantType.QInt8, per_channel=True,
                         extra_options={"DefaultTensorType": 1})
        os.rename(str(path) + ".tmp", path)

    def encode(self, texts, batch):
        import numpy
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        out = [None] * len(texts)
        for at in range(0, len(order), batch):
            some = order[at:at + batch]
            coded = self.tokenizer.encode_batch([texts[i] for i in some])
            feed = {"input_ids": [c.ids for c in coded], "attention_mask": [c.attention_mask for c in coded],
                    "token_type_ids": [c.type_ids for c in coded]}
            states = self.session.run(None, {k: numpy.array(feed[k], dtype=numpy.int64) for k in self.inputs})[0]
            mask = numpy.array(feed["attention_mask"], dtype=numpy.float32)[..., None]
            mean = (states * mask).sum(1) / mask.sum(1)
            mean /= numpy.linalg.norm(mean, axis=1, keepdims=True)
            for i, v in zip(some, mean):
                out[i] = v
        return numpy.stack(out)


def row(name, value, unit, against=None, ratio=None, goal=None, **more):
    print(json.dumps({"name": name, "value": value, "unit": unit, "against": against, "ratio": ratio, "goal": goal, **more}), flush=True)


def main():
    why = os.environ.get("CODEASK_BENCH_NO_PEERS")
    peers, failed = {}, {}
    WORK.mkdir(parents=True, exist_ok=True)
    model, texts = model_folder(), chunks()
    ours = Ours(model, texts)
    for key, make in {"sentence_transformers_fp32": lambda: SentenceTransformers(model, "float32"),
                      "sentence_transformers_bf16": lambda: SentenceTransformers(model, "bfloat16"),
                      "onnxruntime_int8": lambda: OnnxRuntime(model)}.items():
        try:
            if why:
                raise ImportError(why)
            peers[key] = make()
            peers[key].warm(texts[:32])
        except Exception as error:  # whatever a peer dies of is its row's reason
            failed[key] = f"{type(error).__name__}: {error}"[:300]
    ours.seconds(texts[:32], 0)
    rates, ratios = [], {key: [] for key in peers}
    for r in range(ROUNDS):
        start = r * EACH % (CHUNKS - EACH)
        some = texts[start:start + EACH]
        rate = EACH / ours.seconds(some, start)
        rates.append(rate)
        for key, peer in peers.items():
            ratios[key].append(rate / (EACH / peer.seconds(some, start)))
        print(f"round {r}: {rate:.1f} chunks/s; " + ", ".join(f"{ratios[k][-1]:.2f} x {k}" for k in peers))
    speed = statistics.median(rates)
    goal = 2 if "amx" in ours.name else 1.5
    for key in ["sentence_transformers_fp32", "sentence_transformers_bf16", "onnxruntime_int8"]:
        if key in peers:
            row(f"embed.vs_{key}", round(speed, 1), "chunks/s", peers[key].name, round(statistics.median(ratios[key]), 3), goal,
                threads=THREADS, of=ours.name)
        else:
            row(f"embed.vs_{key}", round(speed, 1), "chunks/s", goal=goal, why=failed[key], threads=THREADS, of=ours.name)
    query = [ours.query_ms() for _ in range(3)]
    onnx = peers.get("onnxruntime_int8")
    theirs = onnx.query_ms() if onnx else None
    mine = min(query)
    row("embed.query_ms", round(mine, 3), "ms", onnx and onnx.name, onnx and round(theirs / mine, 2), 2, tokens=15)
    if "sentence_transformers_fp32" in peers:
        vectors = ours.vectors(len(texts))
        cosine = (vectors * peers["sentence_transformers_fp32"].encode(texts, 8)).sum(1)
        row("embed.cosine_mean", round(float(cosine.mean()), 6), "cosine", "sentence-transformers float32", None, .999,
            chunks=len(texts), tokens=round(ours.tokens / (len(texts) + 1), 1))
        row("embed.cosine_min", round(float(cosine.min()), 6), "cosine", "sentence-transformers float32", None, .998)
        exact = Ours(model, texts, "exact").vectors(len(texts))
        cosine = (exact * peers["sentence_transformers_fp32"].encode(texts, 8)).sum(1)
        row("embed.cosine_fp32_min", round(float(cosine.min()), 6), "cosine", "sentence-transformers float32", None, .9999, chunks=len(texts))


if __name__ == "__main__":
    main()
