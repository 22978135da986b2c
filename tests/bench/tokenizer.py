#!/usr/bin/env python3
"""Byte-level BPE over real code, one core, beside the Rust `tokenizers` and, where it is installed, llama.cpp: the same
texts (files of the Python packages installed here) and the same vocabulary (32,000 tokens, trained on other files), in turn;
ratios are medians over the rounds. Nothing is remembered from round to round. Ids must be equal.
"""
import glob
import json
import os
import statistics
import subprocess
import sysconfig
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one core
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: E402

import embed  # noqa: E402

BYTES, ROUNDS, GOAL, VOCAB = 6_000_000, 7, 20, 32_000
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
WORK = embed.WORK / "tokenizer"


def files(odd):
    size = 0
    for path in sorted(glob.glob(sysconfig.get_paths()["stdlib"] + "/**/*.py", recursive=True))[odd::2]:
        text = open(path, encoding="utf-8", errors="replace").read().replace("\0", "")
        size += len(text.encode())
        yield text
        if size > BYTES:
            return


def trained():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(SPLIT), "isolated"),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(files(1), trainers.BpeTrainer(vocab_size=VOCAB, show_progress=False,
                                                         initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return t


def llama(tokenizer, path):
    """llama.cpp with the same vocabulary, as a function from text to the number of ids; why not, else"""
    try:
        import gguf
        import llama_cpp
    except ImportError as e:
        return None, f"{e.name} is not installed"
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    w = gguf.GGUFWriter(path, "llama")
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen2")
    w.add_token_list(tokens)
    w.add_token_types([1] * len(tokens))
    w.add_token_merges([" ".join(m) for m in model["merges"]])
    w.add_bos_token_id(0)
    w.add_eos_token_id(0)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.close()
    loaded = llama_cpp.Llama(path, vocab_only=True, verbose=False)
    return (lambda text: len(loaded.tokenize(text.encode(), add_bos=False, special=False))), llama_cpp.__version__


def main():
    WORK.mkdir(parents=True, exist_ok=True)
    texts = list(files(0))
    mb = sum(len(t.encode()) for t in texts) / 1e6
    (WORK / "texts").write_bytes(b"".join(t.encode() + b"\0" for t in texts))
    rust = trained()
    rust.save(str(WORK / "tokenizer.json"))
    peer, version = llama(rust, str(WORK / "vocab.gguf"))
    child = subprocess.Popen([str(embed.RELEASE / "bench_engine_tokenizer"), str(WORK / "tokenizer.json"), str(WORK / "texts")],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    ours, theirs, llamas = [], [], []
    for _ in range(ROUNDS):
        child.stdin.write("\n")
        child.stdin.flush()
        seconds, count = child.stdout.readline().split()
        ours.append(float(seconds))
        t = time.process_time()
        total = sum(len(rust.encode(x).ids) for x in texts)
        theirs.append(time.process_time() - t)
        assert total == int(count), "not the ids of tokenizers"
        if peer:
            t = time.process_time()
            total = sum(peer(x) for x in texts)
            llamas.append(time.process_time() - t)
            assert total == int(count), "not as many ids as llama.cpp has"
    child.stdin.close()
    child.wait()
    speed = round(mb / statistics.median(ours), 2)
    row = {"value": speed, "unit": "MB/s", "goal": GOAL}
    print(json.dumps({"name": "tokenizer.bpe", **row, "against": "tokenizers (PyPI), %.2f MB/s" % (mb / statistics.median(theirs)),
                      "ratio": round(statistics.median(b / a for a, b in zip(ours, theirs)), 2)}))
    if peer:
        print(json.dumps({"name": "tokenizer.bpe_vs_llama", **row,
                          "against": f"llama.cpp (llama-cpp-python {version}), %.2f MB/s" % (mb / statistics.median(llamas)),
                          "ratio": round(statistics.median(b / a for a, b in zip(ours, llamas)), 2)}))
    else:
        print(json.dumps({"name": "tokenizer.bpe_vs_llama", **row, "why": version}))


main()
