"""Two processes with half of each batch do what one does: heads, what they hand over, temperatures, the choice."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from modelheir.runs.files import read_json
from modelheir.runs.tensors import load_weights

WORKER = """
import os, sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from conftest import World
from modelheir.config.fit import FitConfig
from modelheir.config.inputs import InputConfig

world = World(Path(sys.argv[2], "files_" + os.environ.get("RANK", "0")))
views = ("pixels:left", world.save_model("conv", model="convnet", seed=6))
fit = FitConfig(epochs=2, batch_size=8, optimizer="sgd", lr=0.05, schedule="constant")
given = world.given(inputs=InputConfig(augment="none"), fit=fit)
world.tmp_path = Path(sys.argv[2])
usual = {"labels": "8 per class", "seeds": 1, "algorithms": ("supervised", "cotrain"), "rounds__number": 2}
usual |= {"check_labels": "drop", "exchange__share": 0.2}
world.run("cotrain", "frozen", given=given, views=("pixels:left", "pixels:right"), **usual)
tuned = {"tune": "low_rank:2", "tuning__epochs": 2, "tuning__batch_size": 8, "tuning__lr": 0.02}
world.run("cotrain", "tuned", given=given, views=views, budget="1h", **tuned, **{**usual, "rounds__number": 1})
"""


@pytest.mark.distributed
def test_two_processes_equal_one(tmp_path):
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER)
    given = [str(Path(__file__).resolve().parents[2])]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run([sys.executable, worker, *given, tmp_path / "one"], check=True, env=env, timeout=250)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run([*launch, worker, *given, tmp_path / "two"], check=True, env=env, timeout=250)
    for run, stages in (("frozen", 7), ("tuned", 7)):
        places = [sorted((tmp_path / count / run / "stages").iterdir()) for count in ("one", "two")]
        assert [one.name for one in places[0]] == [one.name for one in places[1]]
        assert len(places[0]) == stages
        for one, two in zip(*places, strict=True):
            ours, theirs = (load_weights(place / "weights.safetensors") for place in (one, two))
            assert ours.keys() == theirs.keys()
            for key, value in ours.items():
                assert (value - theirs[key]).abs().max() < 2e-4, (run, one.name, key)
            told = [read_json(place / "result.json")["describe"] for place in (one, two)]
            if "cotraining" in told[0]:
                assert told[0]["cotraining"]["taught"] == told[1]["cotraining"]["taught"]
                assert sum(len(taught["rows"]) for taught in told[0]["cotraining"]["taught"]) > 0
            if "temperatures" in told[0]:
                assert told[0]["temperatures"] == pytest.approx(told[1]["temperatures"], rel=1e-2)
            assert told[0].get("chosen") == told[1].get("chosen")
