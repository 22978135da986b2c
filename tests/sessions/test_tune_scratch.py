"""A model trained from scratch on the code of published packages and tuned on another one, as bench/tune_scratch.py measures it: what is held out is told far
better with the package's own adapter than with one of a third package, and than without."""
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "bench"))
import tune_scratch  # noqa: E402

RELEASE = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else None
APART = 2  # times as far as with the other adapter. The goal is 3 and 3.9 was measured: kinds of processors sum in different orders


def main():
    site, why = tune_scratch.packages()
    if why:
        print(f"no packages to learn from: {why}")
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="codeask-scratch-") as folder:
        r = tune_scratch.prove(pathlib.Path(folder), RELEASE, site, tune_scratch.STEPS, tune_scratch.TUNED_STEPS, sys.stdout)
    own, other = r["own"], r["other"]
    print(f"perplexity {own['perplexity']['base']:.1f}, {own['perplexity']['tuned']:.1f} with its own adapter, {other['perplexity']['tuned']:.1f} with the other")
    assert own["perplexity"]["base"] == other["perplexity"]["base"] < 200, own["perplexity"]  # drawn at random it is 1024
    assert own["promote"] and own["perplexity"]["ratio"]["low"] > other["perplexity"]["ratio"]["high"], (own["why"], own["perplexity"], other["perplexity"])
    assert tune_scratch.fall(own) >= tune_scratch.PERPLEXITY_GOAL, own["perplexity"]
    assert tune_scratch.fall(own) > APART * tune_scratch.fall(other), (own["perplexity"], other["perplexity"])
    print("ok")


main()
