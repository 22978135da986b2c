#!/usr/bin/env python3
"""Writes embedders/<model>.json and .f32: from texts to vectors, and to scores, of tiny random models that embed or rerank.

Weights are drawn as in make_decoders.py; the .json holds them, every other file of the model's folder (config.json, tokenizer.json,
what sentence-transformers puts beside them), and the texts. The reference is made of `tokenizers` and transformers in double
precision, step by step as sentence-transformers does it: prompt before the text, tokens cut to max_seq_length, model, pooling, unit
length; a cross-encoder's logit of a pair. test_embedders.c opens each folder, and the same model as GGUF, with the engine.

Needs torch and transformers. usage: make_embedders.py [--check] [MODEL…]
--check writes nothing: it computes again and compares with what is committed, to 1e-5 of the largest value.
"""
import json
import math
import os
import sys
import tempfile

import numpy
import tokenizers
import torch
import transformers
from safetensors import safe_open
from safetensors.numpy import save_file

import make_decoders as drawn

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.join(ROOT, "tests", "parity", "embedders")
TEXTS = ["", "open a file", "int main(void)\n{\n    return 0;\n}\n", "Überläufe — größer als möglich? 中文 тест 👍", "[SEP] <|endoftext|> [CLS]",
         "static void sweep(struct store *s)\n" * 12]
JUDGE = ('<|im_start|>system\nSay "yes" or "no".<|im_end|>\n<|im_start|>user\n<Instruct>: {{ messages | selectattr("role", "eq", "system") | '
         'map(attribute="content") | first | default("Web?") }}\n<Query>: {{ messages | selectattr("role", "eq", "query") | '
         'map(attribute="content") | first }}\n<Document>: {{ messages | selectattr("role", "eq", "document") | map(attribute="content") | '
         'first }}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n')
# Qwen3-Reranker's card, for folders whose template does not show a pair: before and behind the instruction
CARD = ('<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct provided. Note that the '
        'answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n',
        "Given a web search query, retrieve relevant passages that answer the query",
        '<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n')
QUERY = "where is a file opened and who reads it line by line"


def special(content, number):
    return dict(id=number, content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)


def template(first, last, ids):
    def mark(name):
        return [dict(SpecialToken=dict(id=name, type_id=0))] if name else []

    def typed(name):
        return [dict(SpecialToken=dict(id=name, type_id=1))] if name else []
    a, b = dict(Sequence=dict(id="A", type_id=0)), dict(Sequence=dict(id="B", type_id=1))
    return dict(type="TemplateProcessing", single=mark(first) + [a] + mark(last), pair=mark(first) + [a] + mark(last) + [b] + typed(last),
                special_tokens={name: dict(id=name, ids=[ids[name]], tokens=[name]) for name in (first, last) if name})


def byte_level(first, last, *others):
    """The byte-level vocabulary of tokenizers/qwen2.json, with marks around a text, and others that a template writes."""
    with open(os.path.join(ROOT, "tests", "parity", "tokenizers", "qwen2.json")) as f:
        t = json.load(f)
    most = max(list(t["model"]["vocab"].values()) + [a["id"] for a in t["added_tokens"]])
    ids = {}
    for name in (first, last, *others):
        if not name:
            continue
        known = [a for a in t["added_tokens"] if a["content"] == name]
        if not known:
            most += 1
            t["added_tokens"].append(special(name, most))
        ids[name] = known[0]["id"] if known else most
    own = t.get("post_processor")
    t["post_processor"] = dict(type="Sequence", processors=([own] if own else []) + [template(first, last, ids)])
    return t


def pieces():
    """BERT's kind, of a few pieces: letters, and what this file has often."""
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(c) for c in range(33, 127) if not chr(c).isupper()]
    words = ["static", "void", "int", "return", "struct", "file", "open", "where", "read", "line", "##s", "##ed", "##er", "main", "store", "中"]
    vocab = {w: i for i, w in enumerate(marks + letters + ["##" + x for x in letters if x.isalnum()] + words)}
    ids = {name: vocab[name] for name in marks}
    return dict(version="1.0", truncation=None, padding=None, added_tokens=[special(m, ids[m]) for m in marks],
                normalizer=dict(type="BertNormalizer", clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True),
                pre_tokenizer=dict(type="BertPreTokenizer"), post_processor=template("[CLS]", "[SEP]", ids),
                decoder=dict(type="WordPiece", prefix="##", cleanup=True),
                model=dict(type="WordPiece", unk_token="[UNK]", continuing_subword_prefix="##", max_input_chars_per_word=100, vocab=vocab))


SMALL = dict(hidden_size=64, num_attention_heads=4, intermediate_size=96, max_position_embeddings=128)
MODELS = {
    "qwen3_embedding": dict(
        kind="qwen3", knobs=dict(drawn.BASE, head_dim=20, use_sliding_window=False, tie_word_embeddings=True),
        tokenizer=lambda: byte_level(None, "<|endoftext|>"), tokenizer_config=dict(eos_token="<|im_end|>", add_bos_token=False),
        pooling="lasttoken", max_seq_length=96,
        prompts=dict(query="Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:", document="")),
    "coderank": dict(
        kind="nomic_bert", knobs=dict(SMALL, num_hidden_layers=3, rope_parameters=dict(rope_type="default", rope_theta=1000.0)),
        tokenizer=pieces, tokenizer_config={}, pooling="cls_token", max_seq_length=100,
        prompts=dict(query="Represent this query for searching relevant code: ")),
    "modernbert_embed": dict(
        kind="modernbert", knobs=dict(SMALL, num_hidden_layers=5, local_attention=16), tokenizer=lambda: byte_level("[CLS]", "[SEP]"),
        tokenizer_config={}, pooling="mean_tokens", max_seq_length=128, prompts=dict(query="search_query: ", document="search_document: ")),
    "bert_embed": dict(kind="bert", knobs=dict(SMALL, num_hidden_layers=2), tokenizer=pieces, tokenizer_config={}, pooling="mean_tokens",
                       max_seq_length=128, prompts={}),
    "modernbert_reranker": dict(
        kind="modernbert", knobs=dict(SMALL, num_hidden_layers=5, local_attention=16, num_labels=1, classifier_pooling="mean"),
        tokenizer=lambda: byte_level("[CLS]", "[SEP]"), tokenizer_config={}, pooling=None, max_seq_length=128, prompts={}),
    "modernbert_reranker_first": dict(
        kind="modernbert", knobs=dict(SMALL, num_hidden_layers=3, local_attention=16, num_labels=1, classifier_pooling="cls",
                                      classifier_activation="silu"),
        tokenizer=lambda: byte_level("[CLS]", "[SEP]"), tokenizer_config={}, pooling=None, max_seq_length=128, prompts={}),
    "qwen3_reranker": dict(
        kind="qwen3", knobs=dict(drawn.BASE, head_dim=20, use_sliding_window=False, tie_word_embeddings=False),
        tokenizer=lambda: byte_level(None, "<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        tokenizer_config=dict(eos_token="<|im_end|>", add_bos_token=False, chat_template=JUDGE),
        pooling=None, max_seq_length=256, prompts=dict(query="Code?"), judge=(40, 41)),
    "qwen3_classifier": dict(
        kind="qwen3", knobs=dict(drawn.BASE, head_dim=20, use_sliding_window=False, tie_word_embeddings=True, num_labels=1, max_position_embeddings=512),
        tokenizer=lambda: byte_level(None, "<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        tokenizer_config=dict(eos_token="<|im_end|>", add_bos_token=False), pooling=None, max_seq_length=512, prompts={},
        form=CARD),
    "reranker": dict(kind="bert", knobs=dict(SMALL, num_hidden_layers=2, num_labels=1), tokenizer=pieces, tokenizer_config={}, pooling=None,
                     max_seq_length=128, prompts={}),
}


def files_of(m):
    files = {"tokenizer.json": m["tokenizer"](), "tokenizer_config.json": m["tokenizer_config"]}
    if "judge" in m:
        files["modules.json"] = [dict(idx=0, name="0", path="", type="sentence_transformers.base.modules.transformer.Transformer"),
                                 dict(idx=1, name="1", path="1_LogitScore",
                                      type="sentence_transformers.cross_encoder.modules.logit_score.LogitScore")]
        files["1_LogitScore/config.json"] = dict(zip(("true_token_id", "false_token_id"), m["judge"]))
        files["config_sentence_transformers.json"] = dict(prompts=m["prompts"], default_prompt_name="query")
    if m["pooling"]:
        ways = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"]
        files["modules.json"] = [dict(idx=i, name=str(i), path=p, type="sentence_transformers.models." + t) for i, (p, t) in
                                 enumerate([("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")])]
        files["1_Pooling/config.json"] = dict(word_embedding_dimension=m["knobs"]["hidden_size"], include_prompt=True,
                                              **{"pooling_mode_" + w: w == m["pooling"] for w in ways})
        files["sentence_bert_config.json"] = dict(max_seq_length=m["max_seq_length"], do_lower_case=False)
        files["config_sentence_transformers.json"] = dict(prompts=m["prompts"], default_prompt_name=None, similarity_fn_name="cosine")
    return files


def judged(t, m):
    """Token ids of each pair, as Qwen3-Reranker's card makes them: what the template says around, the texts without special tokens;
    of a document that is too long as many tokens as fit."""
    def ids(text, special):
        t.encode_special_tokens = not special
        return t.encode(text, add_special_tokens=False).ids
    head, tail = JUDGE.split("<Instruct>")[0], "<|im_end|>" + JUDGE.split("<|im_end|>")[-1].rstrip("\n") + "\n"  # Jinja drops one
    told = m["prompts"].get("query")
    if "form" in m:
        head, told, tail = m["form"]
    out = []
    for x in TEXTS:
        over = 1
        kept = len(ids(x, False))
        while over > 0:
            body = f"<Instruct>: {told}\n<Query>: {QUERY}\n<Document>: {x}"
            out_ids = ids(head, True) + ids(body, False) + ids(tail, True)
            over = len(out_ids) - m["max_seq_length"]
            if over > 0:
                kept -= over
                x = t.decode(ids(x, False)[:kept], skip_special_tokens=False)
        out.append(out_ids)
    return out


def encodings(files, m):
    t = tokenizers.Tokenizer.from_str(json.dumps(files["tokenizer.json"]))
    if "judge" in m or "form" in m:
        return judged(t, m)
    t.encode_special_tokens = True  # a text cannot hold one
    if not m["pooling"]:
        half = m["max_seq_length"] // 2 - 2  # what a question may take; the engine cuts it first
        t.no_truncation()
        assert len(t.encode(QUERY, add_special_tokens=False).ids) <= half
        t.enable_truncation(m["max_seq_length"], strategy="only_second")
        return [t.encode(QUERY, x) for x in TEXTS]
    t.enable_truncation(m["max_seq_length"])
    out = []
    for i, x in enumerate(TEXTS):  # every second one is a question
        prompt = m["prompts"].get("query" if i % 2 else "document", "")
        out.append(t.encode(prompt + x))
    return out


def build(name):
    m = MODELS[name]
    files = files_of(m)
    t = tokenizers.Tokenizer.from_str(json.dumps(files["tokenizer.json"]))
    size = (t.get_vocab_size() + 7) // 8 * 8  # padded, as real ones are
    config = transformers.AutoConfig.for_model(m["kind"], **{**m["knobs"], "vocab_size": size, "pad_token_id": 0})
    maker = transformers.AutoModel if m["pooling"] else transformers.AutoModelForSequenceClassification
    if "judge" in m:
        maker = transformers.AutoModelForCausalLM
    tensors, values = [], {}
    with tempfile.TemporaryDirectory() as folder:
        maker.from_config(config).save_pretrained(folder)
        path = os.path.join(folder, "model.safetensors")
        with safe_open(path, "np") as f:
            shapes = {key: list(f.get_slice(key).get_shape()) for key in f.keys()}
        for key in sorted(shapes):
            scale, shift = drawn.rule(m["kind"], key, shapes[key])
            tensors.append([key, shapes[key], scale, shift])
            values[key] = (shift + scale * drawn.numbers(key, math.prod(shapes[key]))).astype(numpy.float32).reshape(shapes[key])
        save_file(values, path, metadata={"format": "pt"})
        with open(os.path.join(folder, "config.json")) as f:
            files["config.json"] = json.load(f)
        model = maker.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager").eval()
    out = []
    for e in encodings(files, m):
        if "judge" in m:
            with torch.no_grad():
                last = model(input_ids=torch.tensor([e]), use_cache=False).logits[0, -1].double()
            out.append((last[m["judge"][0]] - last[m["judge"][1]])[None].numpy())
            continue
        if "form" in m:
            with torch.no_grad():
                out.append(model(input_ids=torch.tensor([e]), use_cache=False).logits[0].double().numpy())
            continue
        given = dict(input_ids=torch.tensor([e.ids]))
        if m["kind"] != "qwen3" and m["kind"] != "modernbert":
            given["token_type_ids"] = torch.tensor([e.type_ids])
        with torch.no_grad():
            if not m["pooling"]:
                out.append(model(**given).logits[0].double().numpy())
                continue
            h = model(**given).last_hidden_state[0].double()
        v = {"lasttoken": h[-1], "cls_token": h[0], "mean_tokens": h.mean(0)}[m["pooling"]]
        out.append((v / v.norm()).numpy())
    return files, tensors, numpy.stack(out)


def main(arguments):
    check = "--check" in arguments
    failed = 0
    os.makedirs(HERE, exist_ok=True)
    for name in [a for a in arguments if a != "--check"] or MODELS:
        files, tensors, out = build(name)
        path = os.path.join(HERE, name)
        top = abs(out).max()
        if check:
            kept = numpy.fromfile(path + ".f32", dtype="<f4").reshape(out.shape)
            worst = abs(kept - out).max()
            print(f"{name}: {worst / top:.2e} of {top:.3g}")
            failed += not worst <= drawn.CHECK * top
            continue
        with open(path + ".json", "w") as f:
            head = json.dumps(dict(texts=TEXTS, query=QUERY, scores=not MODELS[name]["pooling"]), ensure_ascii=False)
            parts = [" %s: %s" % (json.dumps(k), json.dumps(v, ensure_ascii=False, sort_keys=True, separators=(",", ":"))) for k, v in files.items()]
            f.write(head[:-1] + ',\n"files": {\n' + ",\n".join(parts) + '\n},\n"tensors": [\n' +
                    ",\n".join(" " + json.dumps(t) for t in tensors) + "\n]}\n")
        out.astype("<f4").tofile(path + ".f32")
        print(f"{name}: {len(tensors)} tensors, {out.shape}, largest {top:.3g}", flush=True)
    return failed != 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
