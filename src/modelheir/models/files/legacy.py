"""Import files of the earlier system: ``.result`` files and ``.pth.tar`` checkpoints. Nothing in them is executed.

A result is a dict with ``pred (N,)``, ``gt (N,)``, ``outputs (N, C)`` logits and ``features`` (``(N, D)`` or an empty
list). It names no samples: rows are in the order of the data, and that is all the id they have.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from modelheir.checks import InputError
from modelheir.models.files.checkpoint import read_checkpoint_file, read_state
from modelheir.types import Predictions

__all__ = ["read_checkpoint", "read_result"]


def read_result(path: Path | str) -> Predictions:
    """Read a ``.result`` file; sample ids are the row numbers "0", "1", ...

    Raises:
        InputError: If the file is not such a dict, its parts disagree, or it holds anything but tensors and arrays.
    """
    path = Path(path)
    found = read_checkpoint_file(path, allow=_numpy_types())
    if not isinstance(found, Mapping) or "gt" not in found or not ({"pred", "outputs"} & set(found)):
        raise InputError(f"{path} is no result file: expected a dict with pred, gt and outputs.")
    label = _array(found, "gt", path)
    logits = _array(found, "outputs", path)
    prediction = _array(found, "pred", path)
    if label is None or label.ndim != 1:
        raise InputError(f"{path}: gt must be one label a row.")
    if logits is not None and logits.ndim != 2:
        raise InputError(f"{path}: outputs must have shape (N, C), got {logits.shape}.")
    if prediction is None:
        if logits is None:
            raise InputError(f"{path} holds neither predictions nor logits.")
        prediction = logits.argmax(1)
    features = _array(found, "features", path)
    for name, value in (("pred", prediction), ("outputs", logits), ("features", features)):
        if value is not None and len(value) != len(label):
            raise InputError(f"{path}: {name} has {len(value)} rows and gt has {len(label)}.")
    return Predictions(
        sample_id=np.array([str(row) for row in range(len(label))]),
        label=label.astype(np.int64),
        prediction=prediction.astype(np.int64),
        logits=None if logits is None else logits.astype(np.float32),
        features=None if features is None else features.astype(np.float32),
    )


def read_checkpoint(path: Path | str) -> dict[str, Tensor]:
    """Read the weights of a ``.pth.tar`` checkpoint, without the ``module.`` of its parallel modes.

    Raises:
        InputError: If the file holds no weights, or more than tensors and plain values.
    """
    return read_state(path)


def _array(found: Mapping[str, Any], name: str, path: Path) -> np.ndarray | None:
    """Return an entry as an array; an empty list is none."""
    value = found.get(name)
    if value is None or (isinstance(value, list) and not value):
        return None
    if isinstance(value, Tensor):
        return value.detach().to(torch.float32 if value.is_floating_point() else value.dtype).numpy()
    array = np.asarray(value)
    if array.dtype == object or not np.issubdtype(array.dtype, np.number):
        raise InputError(f"{path}: {name} must hold numbers.")
    return array


def _numpy_types() -> tuple[Any, ...]:
    """Return what pickled arrays of numbers need, under the names of NumPy 1 and 2."""
    core = importlib.import_module("numpy._core.multiarray")
    made: list[Any] = [np.ndarray, np.dtype, *(type(np.dtype(code)) for code in "?bBhHiIlLqQefd")]
    for function in ("_reconstruct", "scalar"):
        for place in ("numpy.core.multiarray", "numpy._core.multiarray"):
            made.append((getattr(core, function), f"{place}.{function}"))
    return tuple(made)
