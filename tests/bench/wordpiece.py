#!/usr/bin/env python3
"""WordPiece of all-MiniLM-L6-v2 over real code (the Python packages installed here, in chunks of 40 lines), one core, beside
the Rust `tokenizers`. Both take the same texts in turn; the ratio is the median over the rounds. Ids must be equal.
"""
import glob
import json
import os
import statistics
import subprocess
import sysconfig
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one core
from tokenizers import Tokenizer  # noqa: E402

import embed  # noqa: E402

LINES, BYTES, ROUNDS, GOAL = 40, 6_000_000, 7, 5


def chunks():
    out, size = [], 0
    for path in sorted(glob.glob(sysconfig.get_paths()["stdlib"] + "/**/*.py", recursive=True)):
        lines = open(path, encoding="utf-8", errors="replace").read().replace("\0", "").split("\n")
        for i in range(0, len(lines), LINES):
            out.append("\n".join(lines[i:i + LINES]))
            size += len(out[-1].encode())
        if size > BYTES:
            break
    return out, size


texts, size = chunks()
embed.WORK.mkdir(parents=True, exist_ok=True)
(embed.WORK / "wordpiece").write_bytes(b"".join(t.encode() + b"\0" for t in texts))
child = subprocess.Popen([str(embed.RELEASE / "bench_engine_wordpiece"), str(embed.model_folder()), str(embed.WORK / "wordpiece")],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
theirs = Tokenizer.from_file(str(embed.model_folder() / "tokenizer.json"))
theirs.no_truncation()
theirs.no_padding()
theirs.encode_special_tokens = True
ours, peers, ratios = [], [], []
for _ in range(ROUNDS + 1):
    child.stdin.write("\n")
    child.stdin.flush()
    a, count = child.stdout.readline().split()
    t = time.process_time()
    encoded = [theirs.encode(x) for x in texts]
    b = time.process_time() - t
    assert sum(len(x.ids) for x in encoded) == int(count), "not the same ids"
    ours.append(float(a))
    peers.append(b)
    ratios.append(b / float(a))
mb = size / 1e6
print(json.dumps({"name": "tokenizer.wordpiece_vs_tokenizers", "value": round(mb / statistics.median(ours[1:]), 2), "unit": "MB/s",
                  "against": "tokenizers (PyPI), %.2f MB/s" % (mb / statistics.median(peers[1:])),
                  "ratio": round(statistics.median(ratios[1:]), 2), "goal": GOAL}))
child.stdin.close()
child.wait()
