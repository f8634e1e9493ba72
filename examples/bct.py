"""Backward-compatible training: the old classifier still reads the new features.

Run with a folder for the results: python examples/bct.py runs/example
"""

import sys
from pathlib import Path

import torch

import modelheir
from modelheir.config.inputs import InputConfig
from modelheir.data import make_stream, open_splits
from modelheir.models import load

COMMON = {"data": "digits", "model": "convnet", "quiet": True, "epochs": 4}


@torch.no_grad()
def through_the_old_head(old_run: Path, new_run: Path) -> float:
    """Return the accuracy of the old classifier layer on the new model's features."""
    old, new = load(f"run:{old_run}").eval(), load(f"run:{new_run}").eval()
    config = InputConfig()
    test = open_splits("digits", config)["test"]
    stream = make_stream(test, config=config, batch_size=256, train=False, seed=0, device="cpu")
    right = sum(int((old.head(new(b.inputs).features).argmax(1) == b.labels).sum()) for b in stream.epoch(0))
    return right / len(test)


def main(out: Path) -> None:
    old = modelheir.train("finetune", out=str(out / "bct_v1"), **COMMON)
    plain = modelheir.train("finetune", out=str(out / "bct_v2_plain"), seed=1, **COMMON)
    compatible = modelheir.train("bct", out=str(out / "bct_v2"), seed=1, old=f"run:{old}", **COMMON)
    print(f"old classifier on plain features: {through_the_old_head(old, plain):.1%} right")
    print(f"old classifier on compatible features: {through_the_old_head(old, compatible):.1%} right")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example"))
