"""Two processes (gloo on the CPU) that see different disks, and what each keeps for itself."""

import pytest
import torch

from modelheir.engine.sharing import shared_result
from modelheir.engine.state import moving_buffers
from modelheir.inference.runtime import Runtime
from modelheir.models import freeze
from modelheir.runs.stage import StageFolder
from modelheir.runs.tensors import save_weights

WORKER = """
import json, shutil, sys
from pathlib import Path
import torch
from torch.nn.functional import cross_entropy
from modelheir.config.fit import FitConfig, SnapshotConfig
from modelheir.checks import InputError
from modelheir.data import tensor_stream
from modelheir.engine.stages import run_plan
from modelheir.inference.runtime import Runtime
from modelheir.models import freeze
from modelheir.runs.folder import RunFolder
from modelheir.plans import Stage, Task
from modelheir.types import LossTerms, Outputs

out, runtime, found = Path(sys.argv[1]), Runtime("cpu"), {}
generator = torch.Generator().manual_seed(1)
y = torch.arange(100) % 3
x = torch.randn(100, 10, generator=generator) + torch.randn(3, 10, generator=generator)[y]

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(runtime.rank)
        self.body, self.norm, self.head = torch.nn.Linear(10, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 3)
        self.frozen = freeze(torch.nn.BatchNorm1d(8))
        self.register_buffer("basis", torch.full((1000,), float(runtime.rank)), persistent=False)
    def forward(self, x):
        f = torch.tanh(self.norm(self.body(x)))
        return Outputs(self.head(f), f)

class Queue:  # of this process's own samples
    def __init__(self): self.value = torch.zeros(10)
    def state_dict(self): return {"value": self.value}
    def load_state_dict(self, state): self.value = state["value"].clone()

class Quiet:
    def __init__(self, left): self.left = left
    def stage(self, *a): pass
    note = epoch = stage
    def advance(self, images):
        if self.left is not None:
            self.left -= 1
            if not self.left: raise Stopped

class Stopped(Exception): pass

class Rows(list):
    write = list.append
    def rewind(self, stage, epoch): pass

def train(folder, left=None):
    trained, queues, kept = [], [], {}
    def stage(name):
        def prepare(done):
            trained.append(name)
            model, queue = Net(), Queue()
            queues.append(queue)
            if "first" in done:
                model.load_state_dict(done["first"].weights("model"))
                kept["snapshots"] = [float(s.weights("model")["head.bias"].sum()) for s in done["first"].snapshots()]
            def objective(batches, step):
                batch = batches["train"]
                if step.number == 0:
                    model.frozen.running_mean.fill_(runtime.rank)
                queue.value = 0.5 * queue.value + batch.inputs.mean(0)
                kept["basis"], kept["frozen"] = float(model.basis[7]), float(model.frozen.running_mean[0])
                loss = cross_entropy(model(batch.inputs - 0.1 * queue.value).logits, batch.labels)
                return LossTerms({"task": loss})
            def stream(train):
                return tensor_stream(x, y, batch_size=20, train=train, seed=4, rank=runtime.rank, world=2)
            return Task({"model": model}, {"train": stream(True)}, objective, evaluate={"val": stream(False)},
                        state={"queue": queue})
        return Stage(name, prepare)
    fit = FitConfig(epochs=3, optimizer="sgd", lr=0.1, batch_size=20, save_every_steps=2, ema_decay=0.5,
                    snapshots=SnapshotConfig(every_epochs=1))
    done = run_plan([stage("first"), stage("second")], RunFolder(folder), runtime=runtime, fit_config=fit, seed=0,
                    log=Rows(), progress=Quiet(left))
    weights = {k: v.flatten().tolist() for k, v in done["second"].weights("model").items()}
    return {"trained": trained, "weights": weights, "metrics": dict(done["second"].metrics), **kept,
            "queues": [queue.value.tolist() for queue in queues]}

found["straight"] = train(out / "together")
mine = out / f"disk{runtime.rank}"
if runtime.rank:  # another run's: finished here, unknown to the main process
    shutil.copytree(out / "together" / "stages" / "01_second", mine / "stages" / "00_first")
runtime.wait()
try:
    train(mine, left=24)  # in the second stage
except Stopped:
    pass
if runtime.rank:
    shutil.rmtree(mine)
runtime.wait()
found["apart"] = train(mine)
if runtime.rank:
    shutil.rmtree(mine / "stages" / "01_second")
runtime.wait()
found["again"] = train(mine)

def full():
    raise InputError("cannot write x: no space.")

try:
    runtime.by_main(full)
except InputError as error:
    found["error"] = str(error)
Path(out, f"found_{runtime.rank}.json").write_text(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(two_processes):
    return [told["found"] for told in two_processes(WORKER)]


@pytest.mark.distributed
def test_the_main_process_says_what_is_finished_and_what_is_gone_on_with(found):
    for one in found:
        assert one["straight"]["trained"] == ["first", "second"]
        assert one["apart"]["trained"] == ["second"]
        assert one["again"]["trained"] == []
        for name in ("apart", "again"):
            assert one[name]["weights"] == one["straight"]["weights"] == found[0]["straight"]["weights"]
            assert one[name]["metrics"] == found[0]["straight"]["metrics"]
        assert one["apart"]["snapshots"] == found[0]["straight"]["snapshots"]
        assert len(one["apart"]["snapshots"]) == 4


@pytest.mark.distributed
def test_each_process_finds_its_own_state_again(found):
    queues = [one["straight"]["queues"][-1] for one in found]
    assert queues[0] != queues[1]
    assert [one["apart"]["queues"][-1] for one in found] == queues


@pytest.mark.distributed
def test_a_basis_and_frozen_statistics_stay_at_home(found):
    assert [one["straight"]["basis"] for one in found] == [0.0, 1.0]
    assert [one["straight"]["frozen"] for one in found] == [0.0, 1.0]


@pytest.mark.distributed
def test_what_stops_the_main_process_stops_all_with_its_sentence(found):
    assert [one["error"] for one in found] == ["cannot write x: no space."] * 2


def test_one_process_reads_its_own_disk(tmp_path):
    place = StageFolder(tmp_path / "00_a", "a")
    save_weights(place.weights, {"model/w": torch.ones(2)})
    place.finish({"val/accuracy": 0.5}, {})
    found = shared_result(place, Runtime("cpu"))
    assert found.metrics == {"val/accuracy": 0.5}
    assert found.weights("model")["w"].tolist() == [1.0, 1.0]


def test_only_buffers_that_are_saved_and_move_are_averaged():
    net = torch.nn.Sequential(torch.nn.BatchNorm1d(2), freeze(torch.nn.BatchNorm1d(2)))
    net.register_buffer("basis", torch.ones(3), persistent=False)
    net.register_buffer("kept", torch.ones(3))
    names = {"m/kept", "m/0.running_mean", "m/0.running_var", "m/0.num_batches_tracked"}
    assert set(moving_buffers({"m": net.train()})) == names
