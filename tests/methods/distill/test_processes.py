"""Two processes with half the batch each (gloo on the CPU) end where one ends."""

import json

import pytest

WORKER = """
import dataclasses, json, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from modelheir.assemble.declared import declared_sources, open_sources
from modelheir.config.fit import FitConfig
from modelheir.config.inputs import InputConfig
from modelheir.config.network import NetworkConfig
from modelheir.config.run import TrainConfig
from modelheir.data import open_splits
from modelheir.engine.stages import run_plan
from modelheir.inference.runtime import Runtime
from modelheir.methods import METHODS
from modelheir.methods.given import Data, Given, NewModel, Teachers
from modelheir.runs.folder import RunFolder

DATA, POOL = "synthetic:n=96,classes=3,size=8", "synthetic:n=40,classes=3,size=8,seed=9"
SETTINGS = {settings!r}
out, runtime = Path(sys.argv[1]), Runtime("cpu")
found = {{}}

class Log(list):
    write = list.append
    def rewind(self, stage, epoch): pass

class Progress:
    def stage(self, *a): pass
    note = epoch = advance = stage

for name, own in SETTINGS.items():
    fit = FitConfig(epochs=2, batch_size=16, optimizer="sgd", lr=0.05, schedule="cosine", threads=1)
    inputs = InputConfig(mirror=True)
    data = Data(open_splits(DATA, inputs), inputs, fit.batch_size, 1, runtime)
    model = NewModel("mlp", "mlp", NetworkConfig(), data.classes, 8, 1)
    config = dataclasses.replace(METHODS[name].config(), unlabelled=POOL, **own)
    opened = open_sources(declared_sources(METHODS[name], config), TrainConfig(data=DATA, inputs=inputs), data.classes)
    sources = {{key: dataclasses.replace(data, splits=one, stores={{}}) for key, one in opened.items()}}
    given = Given(data=data, model=model, old=Teachers((), data), fit=fit, sources=sources)
    log = Log()
    done = run_plan(METHODS[name].plan(config, given), RunFolder(out / name), runtime=runtime, fit_config=fit, seed=1,
                    log=log, progress=Progress())
    last = list(done.values())[-1]
    weights = torch.cat([value.flatten() for value in last.weights("model").values()]).tolist()
    rows = [{{k: v for k, v in row.items() if "/" in k}} for row in log]
    found[name] = {{"weights": weights, "rows": rows}}
if runtime.rank == 0:
    Path(out, "found.json").write_text(json.dumps(found))
"""

SETTINGS = {
    "mutual": {"peers": ("mlp", "mlp"), "losses": ("kl_distillation", "jeffreys"), "constant": False},
    "fixmatch": {"ratio": 2, "threshold": 0.4},
    "pseudo_label": {"threshold": 0.38},
}


@pytest.fixture(scope="module")
def found(tmp_path_factory, copies):
    """Return what one process and what two leave."""
    left = []
    for processes in (1, 2):
        folder = tmp_path_factory.mktemp("processes")
        done = copies.program(WORKER.format(settings=SETTINGS), folder, world=processes)
        assert done.returncode == 0, done.stderr
        left.append(json.loads((folder / "found.json").read_text()))
    return left


@pytest.mark.distributed
@pytest.mark.parametrize("name", SETTINGS)
def test_two_processes_end_where_one_ends(found, name):
    one, two = (some[name] for some in found)
    assert two["weights"] == pytest.approx(one["weights"], rel=1e-3, abs=1e-5)
    assert len(one["rows"]) == len(two["rows"]) > 1
    for a, b in zip(one["rows"], two["rows"], strict=True):
        assert b == pytest.approx(a, rel=1e-3, abs=1e-5)
