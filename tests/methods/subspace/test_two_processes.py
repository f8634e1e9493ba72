"""Two processes with half of each batch do what one does: snapshots, averages, the basis and steps in the plane."""

from pathlib import Path

import pytest

from modelheir.runs.files import read_json
from modelheir.runs.tensors import load_weights
from modelheir.subspace import Basis

WORKER = """
import dataclasses, os, sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from conftest import World
from modelheir.config.fit import FitConfig, SnapshotConfig
from modelheir.config.inputs import InputConfig

world = World(Path(sys.argv[2], "files_" + os.environ.get("RANK", "0")))
fit = FitConfig(epochs=3, batch_size=8, optimizer="sgd", lr=0.05, schedule="constant", sync_batch_norm=True)
given = world.given(inputs=InputConfig(augment="none"), fit=fit, model="convnet")
world.tmp_path = Path(sys.argv[2])
ways = ("cut", "swa", "greedy", "anneal", "twa", "psgd", "pbfgs", "random")
world.run("subspace", "run", given=given, ways=ways, snapshots=":", components=2, epochs=1)
"""


@pytest.mark.distributed
def test_two_processes_equal_one(tmp_path, copies):
    here = str(Path(__file__).resolve().parents[2])
    for world, name in ((1, "one"), (2, "two")):
        done = copies.program(WORKER, here, tmp_path / name, world=world)
        assert done.returncode == 0, done.stderr
    places = [sorted((tmp_path / count / "run" / "stages").iterdir()) for count in ("one", "two")]
    assert [one.name for one in places[0]] == [one.name for one in places[1]]
    for one, two in zip(*places, strict=True):
        ours, theirs = (load_weights(place / "weights.safetensors") for place in (one, two))
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            if "running_" not in key and "num_batches" not in key:
                assert (value - theirs[key]).abs().max() < 2e-3, (one.name, key)
        told = [read_json(place / "result.json")["describe"] for place in (one, two)]
        assert told[0].get("chosen") == told[1].get("chosen")
        assert told[0].get("soup", {}).get("steps") == told[1].get("soup", {}).get("steps")
    bases = [Basis.load(place[1] / "principal") for place in places]
    assert bases[0].explained == pytest.approx(bases[1].explained, rel=1e-2)
