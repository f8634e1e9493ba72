"""V-7: two processes with half of each batch step as one does, and only coordinates travel (gloo on the CPU)."""

import json

import pytest

from modelheir.runs.tensors import load_weights

WORKER = """
import json, sys
from pathlib import Path
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from modelheir.config.fit import FitConfig
from modelheir.data import tensor_stream
from modelheir.engine.stages import run_plan
from modelheir.inference.runtime import Runtime
from modelheir.models.adapters import add_basis
from modelheir.objective.subspace import LBFGSConfig, PlaneDecay, PlaneLBFGS, QuasiNewton, QuasiNewtonConfig
from modelheir.plans import Stage, Task
from modelheir.runs.folder import RunFolder
from modelheir.types import LossTerms

runtime, CLASSES, N = Runtime("cpu"), 10, 5
generator = torch.Generator().manual_seed(0)
inputs, labels = torch.randn(64, 6, generator=generator), torch.randint(0, CLASSES, (64,), generator=generator)
sent, reduce = [], torch.distributed.all_reduce

def counted(tensor, *given, **named):
    sent.append(tensor.numel())
    return reduce(tensor, *given, **named)

torch.distributed.all_reduce = counted

class Log(list):
    write = list.append
    def rewind(self, stage, epoch): pass

class Progress:
    def stage(self, *a): pass
    advance = note = epoch = stage
    def close(self): pass

def model(norm):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8, affine=False) if norm else nn.Identity(),
                         nn.Tanh(), nn.Linear(8, CLASSES))

cases = {
    "usual": QuasiNewtonConfig(),
    "same": QuasiNewtonConfig(pairs="same", accumulate=2),
    "outside": QuasiNewtonConfig(alpha=0.05),
    "latest": QuasiNewtonConfig(compat="latest"),
    "lbfgs": LBFGSConfig(iterations=2),
}
told = {}
for name, config in cases.items():
    net = model(name in ("outside", "latest"))
    width = sum(one.numel() for one in net.parameters())
    flat = torch.linalg.qr(torch.randn(width, N, generator=torch.Generator().manual_seed(7)))[0].T
    rows, at = {}, 0
    for key, one in net.named_parameters():
        rows[key] = flat[:, at : at + one.numel()].reshape(N, *one.shape)
        at += one.numel()
    z = add_basis(net, rows)
    decay, seen = PlaneDecay(net, z, weight=0.01), []
    def objective(batches, step, net=net, decay=decay):
        batch = batches["train"]
        return LossTerms({"task": cross_entropy(net(batch.inputs), batch.labels), "decay": decay()})
    make = PlaneLBFGS if name == "lbfgs" else QuasiNewton
    own = make(net, z, objective, config)
    def update(batches, step, own=own, seen=seen):
        sent.clear()
        found = own(batches, step)
        trials = step._observed.get("quasi_newton/trials")
        seen.append([list(sent), None if trials is None else int(trials), None if trials is None else own.refused])
        return found
    stream = tensor_stream(
        inputs, labels, batch_size=16, train=True, seed=4, ids=[str(i) for i in range(64)],
        classes=tuple("abcdefghij"), rank=runtime.rank, world=runtime.world,
    )
    task = Task({"model": net}, {"train": stream}, update=update, state={"subspace": own})
    fit = FitConfig(epochs=2, optimizer="sgd", lr=1.0, batch_size=16, schedule="linear", sync_batch_norm=True)
    run_plan([Stage("train", lambda _: task)], RunFolder(Path(sys.argv[1], name)), runtime=runtime,
             fit_config=fit, seed=0, log=Log(), progress=Progress())
    told[name] = {"steps": seen, "width": width, "state": float(own.state_dict().get("inverse", torch.zeros(1)).norm())}
if runtime.main:
    Path(sys.argv[1], "told.json").write_text(json.dumps(told))
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory, copies):
    """Return the folder where one process and two have trained."""
    folder = tmp_path_factory.mktemp("processes")
    for world, name in ((1, "one"), (2, "two")):
        done = copies.program(WORKER, folder / name, world=world)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.distributed
@pytest.mark.parametrize("case", ["usual", "same", "outside", "latest", "lbfgs"])
def test_two_processes_equal_one(runs, case):
    """Q-3 to Q-5: losses near 2.3 are averaged as they are, and no direction counts twice or is lost."""
    one, two = (
        load_weights(runs / count / case / "stages" / "00_train" / "weights.safetensors") for count in ("one", "two")
    )
    assert len(one) == (7 if case in ("outside", "latest") else 4)
    for key, value in one.items():
        # what rounding differs by, the longer searches of L-BFGS make more of
        assert (value - two[key]).abs().max() < (1e-2 if case == "lbfgs" else 1e-3), key
    told = [json.loads((runs / count / "told.json").read_text())[case] for count in ("one", "two")]
    for (_, *first), (_, *second) in zip(*(some["steps"] for some in told), strict=True):
        assert first == second  # trials and refusals
    assert told[0]["state"] == pytest.approx(told[1]["state"], rel=1e-2)


@pytest.mark.distributed
def test_only_coordinates_travel(runs):
    """DR-17: without a step outside the plane nothing as long as the weights is sent, and little at all."""
    told = json.loads((runs / "two" / "told.json").read_text())
    for sent, trials, _ in told["usual"]["steps"]:
        # the gradient of 5 coordinates and the mark of their use, the loss, and each trial
        assert sorted(sent) == sorted([6, 1] + [1] * trials)
    assert max(max(sent) for sent, *_ in told["same"]["steps"]) == 6
    for sent, *_ in told["outside"]["steps"]:
        assert sum(one >= told["outside"]["width"] for one in sent) == 1
    assert {sum(sent) for sent, *_ in json.loads((runs / "one" / "told.json").read_text())["usual"]["steps"]} == {0}
