"""Two processes with half the batch each give the losses and the metrics of one process (gloo on the CPU)."""

import json
import os
import socket
import subprocess
import sys

import pytest

from modelheir.runs.tensors import load_weights

WORKER = """
import json, sys
from pathlib import Path
import torch
from torch.nn.functional import cross_entropy
from modelheir.config.fit import FitConfig
from modelheir.data import tensor_stream
from modelheir.inference.runtime import Runtime
from modelheir.engine.stages import run_plan
from modelheir.losses import neighbourhood_alignment
from modelheir.runs.folder import RunFolder
from modelheir.plans import Stage, Task
from modelheir.types import LossTerms, Outputs

out = Path(sys.argv[1])
runtime = Runtime("cpu")

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head = torch.nn.Linear(10, 8), torch.nn.Linear(8, 3)
        self.norm = torch.nn.BatchNorm1d(8, momentum=0.5)
        self.norm.requires_grad_(False)
    def forward(self, x):
        f = torch.tanh(self.body(x))
        with torch.no_grad():
            self.norm(f)  # only its running mean is looked at: it must be shared between the processes
        return Outputs(self.head(f), f)

generator = torch.Generator().manual_seed(1)
y = torch.arange(103) % 3
x = torch.randn(103, 10, generator=generator) + torch.randn(3, 10, generator=generator)[y]
old = torch.randn(103, 8, generator=generator)
model = Net()

def stream(train):
    return tensor_stream(x, y, batch_size=20, train=train, seed=4, rank=runtime.rank, world=runtime.world)

def objective(batches, step):
    batch = batches["train"]
    new = model(batch.inputs)
    near = neighbourhood_alignment(new.features, old[batch.index], batch.labels, gather=step.gather).mean()
    return LossTerms({"task": cross_entropy(new.logits, batch.labels), "near": 0.3 * near})

class Log(list):
    write = list.append
    def rewind(self, stage, epoch): pass

class Progress:
    def stage(self, *a): pass
    advance = note = epoch = stage

log = Log()
task = Task({"model": model}, {"train": stream(True)}, objective, evaluate={"val": stream(False)})
done = run_plan([Stage("train", lambda _: task)], RunFolder(out), runtime=runtime,
                fit_config=FitConfig(epochs=3, optimizer="sgd", lr=0.1, batch_size=20, clip_norm=1.0),
                seed=0, log=log, progress=Progress())
if runtime.main:
    Path(out, "log.json").write_text(json.dumps({"rows": log, "metrics": dict(done["train"].metrics)}))
"""


@pytest.fixture(scope="module")
def one(tmp_path_factory, copies):
    """What one process leaves."""
    out = tmp_path_factory.mktemp("runs") / "one"
    done = copies.program(WORKER, out)
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.distributed
def test_two_processes_equal_one(one, tmp_path):
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER)
    env = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run([*launch, worker, tmp_path / "two"], check=True, env=env, timeout=200)

    folders = (one, tmp_path / "two")
    one, two = (json.loads((folder / "log.json").read_text()) for folder in folders)
    for a, b in zip(one["rows"], two["rows"], strict=True):
        for key in ("loss", "loss/task", "loss/near", "val/accuracy", "val/loss", "lr"):
            assert a[key] == pytest.approx(b[key], rel=2e-5), key
    assert one["metrics"]["val/accuracy"] == two["metrics"]["val/accuracy"]
    weights = [load_weights(folder / "stages" / "00_train" / "weights.safetensors") for folder in folders]
    for key, value in weights[0].items():
        if "running_var" not in key and "tracked" not in key:  # the variance of halves is not the variance of the whole
            assert (value - weights[1][key]).abs().max() < 2e-5, key


@pytest.mark.distributed
def test_two_nodes_equal_one_process(one, tmp_path):
    """One launcher a node, as on two machines; they meet at an address and a port."""
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER)
    env = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"]
    launch += ["--master-addr=127.0.0.1", f"--master-port={port}"]
    nodes = [subprocess.Popen([*launch, f"--node-rank={n}", worker, tmp_path / "two"], env=env) for n in range(2)]
    try:
        assert [node.wait(timeout=200) for node in nodes] == [0, 0]
    finally:
        for node in nodes:
            node.kill()
    one, two = (json.loads((folder / "log.json").read_text()) for folder in (one, tmp_path / "two"))
    assert [row["loss"] for row in two["rows"]] == pytest.approx([row["loss"] for row in one["rows"]], rel=2e-5)
    assert one["metrics"]["val/accuracy"] == two["metrics"]["val/accuracy"]
