"""Two processes (gloo on the CPU): batch norms over the whole batch, and gradients averaged by torch's own DDP."""

import pytest
import torch

WORKER = """
import json, sys
from pathlib import Path
import torch
from torch.nn.functional import cross_entropy
from modelheir.config.fit import FitConfig
from modelheir.data import tensor_stream
from modelheir.engine.stages import run_plan
from modelheir.inference.runtime import Runtime
from modelheir.models.adapters import add_low_rank, add_plane
from modelheir.runs.folder import RunFolder
from modelheir.plans import Stage, Task
from modelheir.types import LossTerms, Outputs

out, runtime, alone, found = Path(sys.argv[1]), Runtime("cpu"), Runtime("cpu"), {}
alone.rank, alone.world = 0, 1  # each process by itself, with the whole batch
generator = torch.Generator().manual_seed(1)
y = torch.arange(100) % 3
x = torch.randn(100, 10, generator=generator) + torch.randn(3, 10, generator=generator)[y]

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body, self.norm = torch.nn.Linear(10, 8), torch.nn.BatchNorm1d(8)
        self.head, self.sometimes, self.never = (torch.nn.Linear(8, 3) for _ in range(3))
    def forward(self, x):
        f = torch.tanh(self.norm(self.body(x)))
        return Outputs(self.head(f), f)

class Quiet:
    def stage(self, *a): pass
    note = advance = epoch = stage

class Rows(list):
    write = list.append
    def rewind(self, stage, epoch): pass

def adapt(model, adapters):
    names = [name for name, _ in model.named_parameters()]
    model.requires_grad_(False)
    if adapters == "plane":
        add_plane(model, coordinates=4, seed=0, names=names)
    else:
        add_low_rank(model, rank=2, seed=0)

def train(name, runtime, update=False, uneven=False, adapters="", **settings):
    model, averages = Net(), []
    if adapters:
        adapt(model, adapters)
    def stream(train):
        return tensor_stream(x, y, batch_size=20, train=train, seed=4, rank=runtime.rank, world=runtime.world)
    def objective(batches, step):
        batch = batches["train"]
        new = model(batch.inputs)
        logits = new.logits + (model.sometimes(new.features) if uneven and step.number % 3 == runtime.rank else 0.0)
        return LossTerms({"task": cross_entropy(logits, batch.labels)}, {"seen": torch.tensor(1.0)})
    def own(batches, step):
        terms = objective(batches, step)
        step.backward(terms.total)
        step.apply()
        return terms
    ways = {"update": own} if update else {"objective": objective}
    task = Task({"model": model}, {"train": stream(True)}, **ways, evaluate={"val": stream(False)})
    fit = FitConfig(epochs=3, batch_size=20, optimizer="sgd", lr=0.2, **settings)
    usual = Runtime.average_gradients_
    Runtime.average_gradients_ = lambda self, held: (averages.append(len(held)), usual(self, held))[1]
    try:
        done = run_plan([Stage("train", lambda _: task)], RunFolder(out / name), runtime=runtime, fit_config=fit,
                        seed=0, log=(rows := Rows()), progress=Quiet())
    finally:
        Runtime.average_gradients_ = usual
    found[name] = {"weights": {k: v.flatten().tolist() for k, v in done["train"].weights("model").items()},
                   "losses": [row["loss"] for row in rows], "averages": len(averages)}

ADAPTERS = ("low_rank", "plane")
if runtime.main:
    train("one", alone)
    for adapters in ADAPTERS:
        train(f"one_{adapters}", alone, adapters=adapters)
runtime.wait()
train("halves", runtime)
train("joined", runtime, sync_batch_norm=True)
train("ddp", runtime, reduce="ddp")
train("uneven", runtime, uneven=True, accumulate=2, clip_norm=0.5, sync_batch_norm=True)
train("uneven_ddp", runtime, uneven=True, accumulate=2, clip_norm=0.5, sync_batch_norm=True, reduce="ddp")
train("update", runtime, update=True, reduce="ddp")
for adapters in ADAPTERS:
    train(adapters, runtime, adapters=adapters, sync_batch_norm=True)
    train(f"{adapters}_ddp", runtime, adapters=adapters, sync_batch_norm=True, reduce="ddp")
    train(f"{adapters}_uneven", runtime, adapters=adapters, uneven=True, accumulate=2)
    train(f"{adapters}_uneven_ddp", runtime, adapters=adapters, uneven=True, accumulate=2, reduce="ddp")
Path(out, f"found_{runtime.rank}.json").write_text(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(two_processes):
    return [told["found"] for told in two_processes(WORKER)]


def apart(a, b):
    """Return the largest difference of two sets of weights."""
    assert a["weights"].keys() == b["weights"].keys()
    return max((torch.tensor(a["weights"][k]) - torch.tensor(b["weights"][k])).abs().max() for k in a["weights"])


pytestmark = pytest.mark.distributed


def test_joined_batch_norms_make_two_processes_equal_one(found):
    one, halves, joined = (found[0][name] for name in ("one", "halves", "joined"))
    assert apart(one, joined) < 1e-5
    assert joined["losses"] == pytest.approx(one["losses"], abs=1e-5)
    assert apart(one, halves) > 1e-3  # what the option is for


def test_ddp_gives_the_weights_of_the_explicit_average(found):
    """Also where only one process uses a layer, nobody another, and gradients travel with the last micro-batch."""
    for plain, wrapped in (("halves", "ddp"), ("uneven", "uneven_ddp")):
        assert apart(found[0][plain], found[0][wrapped]) <= 1e-6
        assert found[0][plain]["losses"] == pytest.approx(found[0][wrapped]["losses"], abs=1e-6)
        assert found[1][wrapped]["weights"] == found[0][wrapped]["weights"]
        assert found[0][plain]["averages"] == 15
        assert found[0][wrapped]["averages"] == 0
    assert apart(found[0]["halves"], found[0]["uneven"]) > 1e-3


def test_stages_with_steps_of_their_own_stay_explicit(found):
    assert found[0]["update"]["weights"] == found[0]["halves"]["weights"]
    assert found[0]["update"]["averages"] == 15


@pytest.mark.parametrize("adapters", ["low_rank", "plane"])
def test_adapters_train_alike_on_one_process_and_two_by_either_average(found, adapters):
    """What is kept are plain weights; the directions of a plane are every process's own, its coordinates one."""
    one, whole = found[0][f"one_{adapters}"], found[0]["one"]
    assert one["weights"].keys() == whole["weights"].keys()
    explicit, wrapped, uneven, uneven_wrapped = (
        found[0][f"{adapters}{way}"] for way in ("", "_ddp", "_uneven", "_uneven_ddp")
    )
    assert apart(one, explicit) < 1e-5
    assert apart(explicit, wrapped) <= 1e-6
    assert apart(uneven, uneven_wrapped) <= 1e-6
    assert (explicit["averages"], wrapped["averages"]) == (15, 0)
    assert found[1][f"{adapters}_ddp"]["weights"] == wrapped["weights"]
    assert apart(one, whole) > 1e-2  # they are not the whole network's training
    assert apart(explicit, uneven) > 1e-3
