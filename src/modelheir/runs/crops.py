"""Logits of every crop of an image on disk: a NumPy archive beside the predictions, which hold only their mean.

Arrays: ``sample_id`` ``(N,)`` text, ``classes`` ``(C,)`` text, ``logits`` ``(N, V, C)`` float32 for ``V`` crops: four
corners and the centre, then their mirror images. The archive holds no Python objects.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from modelheir import checks
from modelheir.checks import InputError
from modelheir.runs.files import replace_file

__all__ = ["read_crops", "write_crops"]


def write_crops(path: Path | str, ids: np.ndarray, logits: np.ndarray, *, classes: Sequence[str]) -> None:
    """Write the logits of every crop, whole or not at all.

    Args:
        path: The file, ending in ``.npz``; folders on the way are made.
        ids: Sample ids, ``(N,)``.
        logits: ``(N, V, C)``.
        classes: Names of the ``C`` columns.

    Raises:
        InputError: If the file cannot be written.
        ValueError: If the shapes do not fit each other.
    """
    checks.same_length(ids=ids, logits=logits)
    if logits.ndim != 3 or logits.shape[2] != len(classes):
        raise ValueError(f"logits must be (N, V, {len(classes)}), got {logits.shape}")

    def write(temporary: Path) -> None:
        with temporary.open("wb") as handle:
            np.savez_compressed(
                handle,
                sample_id=np.asarray(ids, np.str_),
                classes=np.asarray(list(classes), np.str_),
                logits=logits.astype(np.float32, copy=False),
            )

    replace_file(Path(path), write)


def read_crops(path: Path | str) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Read what :func:`write_crops` wrote: ``(ids, logits, classes)``.

    Raises:
        InputError: If the file is missing or is no such archive.
    """
    try:
        with np.load(path, allow_pickle=False) as found:
            return found["sample_id"], found["logits"], tuple(found["classes"].tolist())
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist.") from error
    except (OSError, ValueError, KeyError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is not an archive of crop logits ({error}).") from error
