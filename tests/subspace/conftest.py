"""Snapshots on disk as a run writes them, and rows with a spectrum that is known."""

import numpy as np
import pytest
import torch

from modelheir.runs.tensors import save_weights

SHAPES = {"body.weight": (4, 3, 2), "body.bias": (4,), "head.weight": (5, 4), "head.bias": (5,)}


@pytest.fixture
def write(tmp_path):
    """Write weights, ``(N, 53)``, as snapshots with batch statistics and a second module, and return the files."""

    def run(rows, *, dtype=torch.float32, folder="snapshots"):
        files = []
        for number, row in enumerate(rows):
            state, at = {}, 0
            for name, shape in SHAPES.items():
                size = int(np.prod(shape))
                state[f"model/{name}"] = torch.tensor(row[at : at + size]).reshape(shape).to(dtype)
                at += size
            state["model/norm.running_mean"] = torch.full((3,), float(number))
            state["model/norm.running_var"] = torch.ones(3)
            state["model/norm.num_batches_tracked"] = torch.tensor(number)
            state["other/weight"] = torch.ones(2)
            path = tmp_path / folder / f"step_{number:08d}.safetensors"
            save_weights(path, state)
            files.append(path)
        return files

    return run


@pytest.fixture
def columns():
    """Put the columns of :func:`write` into the order of some names."""

    def run(rows, names):
        sizes = {name: int(np.prod(shape)) for name, shape in SHAPES.items()}
        starts = dict(zip(SHAPES, np.cumsum([0, *sizes.values()]), strict=False))
        return np.concatenate([rows[:, starts[name] : starts[name] + sizes[name]] for name in names], axis=1)

    return run


@pytest.fixture
def spread():
    """Make ``(N, M)`` rows whose centred singular values are those given, around weights of about that size."""

    def run(values, count, width, *, seed=0, offset=1.0):
        rng = np.random.default_rng(seed)
        left = rng.standard_normal((count, len(values)))
        left = np.linalg.qr(left - left.mean(axis=0))[0]
        left -= left.mean(axis=0)
        right = np.linalg.qr(rng.standard_normal((width, len(values))))[0]
        return (left * values) @ right.T + offset * rng.standard_normal(width)

    return run


def angle(one, two):
    """Return the sine of the largest angle between the row spans of ``one`` and ``two``."""
    one, two = (np.linalg.qr(np.asarray(part, np.float64).T)[0] for part in (one, two))
    return float(np.linalg.norm(one - two @ (two.T @ one), 2))


@pytest.fixture(name="angle")
def angle_fixture():
    return angle
