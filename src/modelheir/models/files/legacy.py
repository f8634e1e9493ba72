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
from modelheir.printable import shorten
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
    if prediction is not None and prediction.ndim != 1:
        raise InputError(f"{path}: pred must be one class a row, got shape {prediction.shape}.")
    if logits is not None and (logits.ndim != 2 or not logits.shape[1]):
        raise InputError(f"{path}: outputs must have shape (N, C), got {logits.shape}.")
    if prediction is None:
        if logits is None:
            raise InputError(f"{path} holds neither predictions nor logits.")
        prediction = logits.argmax(1)
    features = _array(found, "features", path)
    if features is not None and features.ndim != 2:
        raise InputError(f"{path}: features must have shape (N, D), got {features.shape}.")
    for name, value in (("pred", prediction), ("outputs", logits), ("features", features)):
        if value is not None and len(value) != len(label):
            raise InputError(f"{path}: {name} has {len(value)} rows and gt has {len(label)}.")
    return Predictions(
        sample_id=np.array([str(row) for row in range(len(label))]),
        label=_whole(label, "gt", path),
        prediction=_whole(prediction, "pred", path),
        logits=None if logits is None else logits.astype(np.float32),
        features=None if features is None else features.astype(np.float32),
    )


def read_checkpoint(path: Path | str) -> dict[str, Tensor]:
    """Read the weights of a ``.pth.tar`` checkpoint, without the ``module.`` of its parallel modes.

    Raises:
        InputError: If the file holds no weights, or more than tensors and plain values.
    """
    state = read_state(path)
    for name, value in state.items():
        if kind := _unusual(value):
            raise InputError(f"{path}: {shorten(name)} is a {kind} tensor; only plain ones can be imported.")
    return state


def _array(found: Mapping[str, Any], name: str, path: Path) -> np.ndarray | None:
    """Return an entry as an array; an empty list is none."""
    value = found.get(name)
    if value is None or (isinstance(value, list) and not value):
        return None
    if isinstance(value, Tensor):
        if kind := _unusual(value):
            raise InputError(f"{path}: {name} is a {kind} tensor: save it as a plain one.")
        plain = value.detach().resolve_neg()
        array = plain.to(torch.float32 if plain.is_floating_point() else plain.dtype).numpy()
    else:
        try:
            array = np.asarray(value)
        except (ValueError, TypeError, OverflowError) as error:  # ragged lists, or tensors within lists
            raise InputError(f"{path}: {name} must hold numbers, as many in every row.") from error
    if array.dtype.kind not in "iuf":
        raise InputError(f"{path}: {name} must hold numbers, not {shorten(str(array.dtype))}.")
    return array


def _unusual(value: Tensor) -> str:
    """Name what keeps a tensor from being a plain block of numbers, or return an empty text."""
    kinds = {
        "quantised": value.is_quantized,
        "ragged": value.is_nested,
        "meta (shape without values)": value.is_meta,
        "sparse": value.layout != torch.strided,
    }
    return next((kind for kind, holds in kinds.items() if holds), "")


def _whole(values: np.ndarray, name: str, path: Path) -> np.ndarray:
    """Return class numbers; none is rounded."""
    with np.errstate(invalid="ignore"):
        bad = ~(np.abs(values.astype(np.float64)) < 2**53) | (values != np.trunc(values))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError(f"{path}: {name} is {values[row]} in row {row} (from 0): a class is a whole number.")
    return values.astype(np.int64)


def _numpy_types() -> tuple[Any, ...]:
    """Return what pickled arrays of numbers need, under the names of NumPy 1 and 2."""
    core = importlib.import_module("numpy._core.multiarray")
    made: list[Any] = [np.ndarray, np.dtype, *(type(np.dtype(code)) for code in "?bBhHiIlLqQefd")]
    for function in ("_reconstruct", "scalar"):
        for place in ("numpy.core.multiarray", "numpy._core.multiarray"):
            made.append((getattr(core, function), f"{place}.{function}"))
    return tuple(made)
