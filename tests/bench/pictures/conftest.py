"""A benchmark of one small cell of two seeds, and one with plenty of the newest step, trained once for all tests."""

import pytest
import yaml

from modelheir import train
from modelheir.bench.pictures.members import read_members

STRATEGIES = [
    "erm_final", "erm_fine_tune", "linear_probe_fine_tune", "dro_fine_tune", "sequential_fine_tune", "erm_side_tune",
    "joint_model", "wise_ft",
]  # fmt: skip
SHIFTS = {"data": "synthetic:n=600,classes=3,size=8", "shifts": "rotation:label_flip", "test_size": 30}


@pytest.fixture(scope="session")
def bench(tmp_path_factory):
    """The folder of the benchmark; tests leave it as it is."""
    out = tmp_path_factory.mktemp("bench")
    made = {"turned": ([60, 40, 30], STRATEGIES), "plenty": ([60, 40, 90], ["erm_final"])}
    for name, (sizes, strategies) in made.items():
        described = out / "sequences" / f"{name}.yaml"
        described.parent.mkdir(exist_ok=True)
        described.write_text(yaml.safe_dump({**SHIFTS, "sizes": sizes}))
        cell = out / "cells" / name / "net" / "seed0"
        joint = {"joint": {"side_layer_sizes": "block", "adjacent_weights": [0, 10.0]}} if len(strategies) > 1 else {}
        train(
            "adapt",
            data=f"sequence:{described}",
            model="blocks_convnet",
            out=str(cell),
            device="cpu",
            quiet=True,
            network={"kwargs": {"blocks": 1}},
            fit={"epochs": 1, "threads": 1},
            method={"strategies": strategies, "seeds": 2, "rates": [1.0], **joint},
        )
        cell.with_suffix(".yaml").write_text("train: adapt\n")
    return out


@pytest.fixture(scope="session")
def members(bench):
    """The two seeds of the cell with all strategies."""
    return [one for one in read_members([str(bench)])[0] if one.sequence == "turned"]


@pytest.fixture(scope="session")
def oracle(bench):
    """The first seed of the cell with plenty of the newest step."""
    return next(one for one in read_members([str(bench)])[0] if one.sequence == "plenty")
