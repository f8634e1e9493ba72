"""Two processes (gloo on the CPU): what only one of them has, sees or suffers."""

import sys

import pytest

WORKER = """
import atexit, json, math, sys
from pathlib import Path
import torch
from torch.nn.functional import cross_entropy
from modelheir.checks import InputError
from modelheir.config.fit import FitConfig
from modelheir.data import tensor_stream
from modelheir.inference.runtime import Runtime
from modelheir.engine.stages import run_plan
from modelheir.engine.step import EngineStep
from modelheir.runs.folder import RunFolder
from modelheir.plans import Stage, Task
from modelheir.types import LossTerms, Outputs

out = Path(sys.argv[1])
found = {}

def last():  # registered first, so it runs after everything that the library does on exit
    left = [Path(task, "comm").read_text().strip() for task in Path("/proc/self/task").glob("*")]
    Path(out, f"threads_{runtime.rank}.json").write_text(json.dumps(left))

atexit.register(last)
runtime = Runtime("cpu")
found["threads"] = [Path(task, "comm").read_text().strip() for task in Path("/proc/self/task").glob("*")]

# gradients: a is used on both, b on the second only, c on neither
a, b, c = (torch.nn.Parameter(torch.zeros(2)) for _ in range(3))
loss = (a * (1 + runtime.rank)).sum() + ((b * 4).sum() if runtime.rank else 0.0)
loss.backward()
runtime.average_gradients_([a, b, c])
found["mean"] = EngineStep(runtime, FitConfig(), {}, stage="x", seed=0, steps=1).mean(
    torch.tensor([float(runtime.rank), 3.0])).tolist()
found["gradients"] = [None if p.grad is None else p.grad.tolist() for p in (a, b, c)]

# the product of two averaged gradients is the global one; one that only the second process has counts half
w = torch.nn.Linear(2, 1, bias=False)
torch.nn.init.ones_(w.weight)
other = torch.nn.Linear(2, 1, bias=False)
own = EngineStep(runtime, FitConfig(lr=1.0, momentum=0.0, weight_decay=0.0), {
    "main": torch.optim.SGD([{"params": list(w.parameters()), "multiplier": 1.0}], lr=1.0)}, stage="x", seed=0, steps=1)
own.begin(0, 0)
rows = torch.tensor([[1.0, 2.0], [3.0, 5.0]])[runtime.rank]
first = own.gradients(w(rows).square().sum() + (other(rows).sum() if runtime.rank else 0.0), w, other)
second = own.gradients(w(rows).sum(), w)
found["global"] = [first[w.weight].tolist(), first[other.weight].tolist(), second[w.weight].tolist()]
own.apply(gradients={w.weight: first[w.weight] * second[w.weight]})
found["moved"] = w.weight.tolist()

class Net(torch.nn.Module):
    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.body, self.norm = torch.nn.Linear(10, 8), torch.nn.BatchNorm1d(8)
        self.head, self.unused = torch.nn.Linear(8, 3), torch.nn.Linear(2, 2)
    def forward(self, x):
        f = torch.tanh(self.norm(self.body(x)))
        return Outputs(self.head(f), f)

generator = torch.Generator().manual_seed(1)
y = torch.arange(103) % 3
x = torch.randn(103, 10, generator=generator) + torch.randn(3, 10, generator=generator)[y]

class Log(list):
    write = list.append
    def rewind(self, stage, epoch): pass

class Stopped(Exception): pass

class Progress:
    def __init__(self, left=None): self.left = left
    def stage(self, *a): pass
    note = epoch = stage
    def advance(self, images):
        if self.left is not None:
            self.left -= 1
            if not self.left: raise Stopped

def train(name, *, left=None, poison=None, watched=True, **settings):
    import modelheir.engine.fit as loop
    kept = loop.Fit._add
    if not watched:
        loop.Fit._add = lambda self, e, found, total, share: self.now.tally.add(found, total, share)
    model = Net(runtime.rank)  # other weights on each process: the first one's count
    def stream(train):
        return tensor_stream(x, y, batch_size=20, train=train, seed=4, rank=runtime.rank, world=runtime.world)
    def objective(batches, step):
        batch = batches["train"]
        loss = cross_entropy(model(batch.inputs).logits, batch.labels)
        bad = (step.number, runtime.rank) == poison
        return LossTerms({"task": loss * math.nan if bad else loss})
    task = Task({"model": model}, {"train": stream(True)}, objective, evaluate={"val": stream(False)})
    log, fit = Log(), FitConfig(
        epochs=3, optimizer="sgd", lr=0.1, batch_size=20, save_every_steps=2, ema_decay=0.8, **settings
    )
    try:
        done = run_plan([Stage("train", lambda _: task)], RunFolder(out / name), runtime=runtime, fit_config=fit,
                        seed=0, log=log, progress=Progress(left))
    finally:
        loop.Fit._add = kept
    rows = [{k: v for k, v in row.items() if k not in ("images_per_second", "data_seconds", "steps")} for row in log]
    weights = {k: v.flatten().tolist() for k, v in done["train"].weights("model").items()}
    return {"rows": rows, "metrics": dict(done["train"].metrics), "weights": weights,
            "own": {k: v.flatten().tolist() for k, v in model.state_dict().items()}}

found["straight"] = train("straight")
try:
    train("resumed", left=9)
except Stopped:
    pass
found["resumed"] = train("resumed")

def stopped(name, **settings):
    try:
        train(name, **settings)
    except InputError as error:
        return str(error)

found["poisoned"] = [stopped("p1", poison=(7, 1)), stopped("p2", poison=(7, 1), watched=False)]
batch = list(tensor_stream(x, y, batch_size=20, train=True, seed=4, rank=1, world=2).epoch(1))[2]
found["guilty"] = batch.index.tolist()
Path(sys.argv[1], f"found_{runtime.rank}.json").write_text(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(two_processes):
    return [told["found"] | {"left": told["threads"]} for told in two_processes(WORKER, new=True)]


pytestmark = pytest.mark.distributed


def test_gradients_that_one_process_lacks(found):
    assert found[0]["gradients"] == found[1]["gradients"] == [[1.5, 1.5], [2.0, 2.0], None]


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_no_thread_of_the_group_outlives_the_run(found):
    # One that still frees a tensor while the interpreter ends aborts the process, now and then, after all its work.
    for process in found:
        assert [name for name in process["threads"] if "gloo" in name]
        assert not [name for name in process["left"] if "gloo" in name]


def test_averaged_gradients_are_those_of_the_whole_batch(found):
    """By hand: the gradient of (w x)^2 at w = (1, 1) is 2 (x1 + x2) x, that of w x is x."""
    first = [(2 * 3 * 1 + 2 * 8 * 3) / 2, (2 * 3 * 2 + 2 * 8 * 5) / 2]
    for one in found:
        assert one["global"] == [[first], [[1.5, 2.5]], [[2.0, 3.5]]]
        assert one["moved"] == [[1 - first[0] * 2.0, 1 - first[1] * 3.5]]


def test_a_step_averages_what_all_must_decide_on(found):
    assert found[0]["mean"] == found[1]["mean"] == [0.5, 3.0]


def test_both_processes_end_with_the_same_model_and_metrics(found):
    assert found[0]["straight"]["metrics"] == found[1]["straight"]["metrics"]
    assert found[0]["straight"]["own"] == found[1]["straight"]["own"] == found[0]["straight"]["weights"]


def test_resumed_inside_an_epoch_to_the_same_bits(found):
    for one in found:
        assert one["resumed"]["weights"] == one["straight"]["weights"]
        assert one["resumed"]["metrics"] == one["straight"]["metrics"]
        assert one["resumed"]["rows"] == one["straight"]["rows"][1:]


def test_a_bad_loss_on_the_second_process_is_named_by_both(found):
    ids = found[0]["guilty"]
    for one in found:
        for message in one["poisoned"]:
            assert "epoch 2, step 3 of 5, batch of 10 samples: " + ", ".join(str(i) for i in ids[:5]) in message
