"""Two processes that share the columns find the directions of one (gloo on the CPU)."""

import os
import subprocess
import sys

import numpy as np
import pytest

from modelheir.subspace import Basis, Trajectory, pca

WORKER = """
import sys
from pathlib import Path
import numpy as np
import torch
import torch.distributed as dist
from modelheir.shard import Shard
from modelheir.subspace import Gram, Trajectory, pca

dist.init_process_group("gloo")
calls = []

def add(part):
    calls.append(part.shape)
    whole = torch.from_numpy(part)
    dist.all_reduce(whole)
    return whole.numpy()

rows = Trajectory(sorted(Path(sys.argv[1]).glob("*.safetensors")))
gram = Gram.of(rows, shard=Shard(dist.get_rank() + 1, dist.get_world_size()), add=add)
assert calls == [(len(rows), len(rows))]
pca(rows, 4, gram=gram, folder=Path(sys.argv[2], str(dist.get_rank())))
dist.destroy_process_group()
"""


@pytest.mark.distributed
def test_two_processes_equal_one(write, tmp_path):
    values = np.random.default_rng(0).standard_normal((7, 53)).astype(np.float32)
    files = write(values)
    (tmp_path / "worker.py").write_text(WORKER)
    env = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run(
        [*launch, tmp_path / "worker.py", files[0].parent, tmp_path / "out"], check=True, env=env, timeout=250
    )
    wanted = pca(Trajectory(files), 4)
    for rank in "01":
        found = Basis.load(tmp_path / "out" / rank, fingerprint=wanted.fingerprint)
        assert np.abs(found.components - wanted.components).max() < 1e-6
        assert found.singular_values == pytest.approx(wanted.singular_values, rel=1e-12, abs=1e-6)
