"""Models of every role through the whole program: one that embeds with a decoder's last token, one that reads the best hits again; what
list, use, verify, status and doctor say of them. Tiny models, drawn as tests/parity/embedders says."""
import math

from lib import main, wait_for
from tiny import put_model

def test_roles(w):
    repo = w.repo()
    put_model(w.home / "models" / "little-embedding", "qwen3_embedding")
    put_model(w.home / "models" / "little-judge", "reranker")
    rows = {m["name"]: m for m in w.json("model", "list")["models"]}
    assert not rows["little-embedding"]["used"] and not rows["little-judge"]["used"]

    good = w.json("model", "verify", "little-embedding")
    assert good["family"] == "qwen3" and good["dim"] == 64 and not good["reranks"] and good["context"] == 0, good
    good = w.json("model", "verify", "little-judge")
    assert good["reranks"] and good["dim"] == 0 and good["context"] == 0, good
    assert "reranks" in w.run("model", "verify", "little-judge").stdout

    assert w.json("model", "use", "little-embedding") == {"embed_model": "little-embedding"}
    before = w.json("search", "who retries a request", cwd=repo)
    assert "reranked" not in before
    assert w.json("model", "use", "little-judge") == {"rerank_model": "little-judge"}
    listed = w.json("model", "list")
    assert listed["embed_model"] == "little-embedding" and listed["rerank_model"] == "little-judge" and listed["answer_model"] is None
    assert {m["name"] for m in listed["models"] if m["used"]} == {"little-embedding", "little-judge"}

    w.json("index", cwd=repo)
    o = wait_for(lambda: (found := w.json("search", "--explain", "who retries a request", cwd=repo))["vectors"] and found, "vectors")
    assert o["reranked"] >= 2 and o["timings"]["rerank"] > 0, o
    scores = [r["score"] for r in o["results"]]
    assert scores == sorted(scores, reverse=True)
    for r in o["results"]:
        total = sum(r["explain"].values()) * math.prod(r["factors"].values()) + r.get("reranked", 0)
        assert abs(total - r["score"]) < 1e-3 * max(1, abs(r["score"])), (total, r)
    text = w.run("search", "--explain", "who retries a request", cwd=repo).stdout
    assert "+ reranker" in text
    assert "reranked" not in w.json("search", "--regex", "def .*retry", cwd=repo)

    models = {m["role"]: m for m in w.json("status")["models"]}
    assert models["rerank"]["reranks"] and models["rerank"]["state"] == "ready" and models["embed"]["dim"] == 64, models
    assert "little-judge" in w.run("status").stdout

    assert w.json("model", "use", "--none", "rerank") == {"rerank_model": None}
    assert "reranked" not in w.json("search", "who retries a request", cwd=repo)
    assert "rerank" not in {m["role"] for m in w.json("status")["models"]}
    w.json("model", "use", "--none", "embed", code=2)
    w.json("model", "use", "--none", "cook", code=2)
    w.json("model", "use", code=2)


def test_wrong_role(w):
    """A setting that names a model of another kind: said in status and doctor, and answers go on without."""
    repo = w.repo()
    put_model(w.home / "models" / "little-judge", "reranker")
    w.config("rerank_model = all-MiniLM-L6-v2\nembed = no\n")
    put_model(w.home / "models" / "all-MiniLM-L6-v2", "bert_embed")
    o = w.json("search", "who retries a request", cwd=repo)
    assert o["results"] and "reranked" not in o
    w.json("search", "who retries a request again", cwd=repo)
    wait_for(lambda: any(m["role"] == "rerank" and m["state"] == "unavailable" and "no reranker" in m["message"]
                         for m in w.json("status")["models"]), "the trouble in status")
    o = w.json("model", "verify", "little-judge")
    assert o["reranks"]


if __name__ == "__main__":
    main(globals())
