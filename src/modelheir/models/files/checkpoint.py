"""Read the weights in a file: safetensors, or a torch file without code in it."""

from __future__ import annotations

import json
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modelheir.checks import InputError
from modelheir.runs.tensors import read_tensors

__all__ = ["SPEC", "read_checkpoint_file", "read_spec", "read_state"]

SPEC = "modelheir_model"  #: key of the model's description in a safetensors header

_WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model")
_PREFIXES = ("module.", "_orig_mod.")


def read_state(path: Path | str) -> dict[str, Tensor]:
    """Return the state dict in ``path``: unwrapped, and without a prefix that every name carries.

    Raises:
        InputError: If the file is missing, cut short, holds anything but tensors and plain values, or no weights.
    """
    path = Path(path)
    found: Any = _tensors(path)[0] if path.suffix == ".safetensors" else read_checkpoint_file(path)
    for _ in _WRAPPERS:
        inner = next((found[key] for key in _WRAPPERS if isinstance(found, Mapping) and key in found), None)
        if not isinstance(inner, Mapping):
            break
        found = inner
    if not isinstance(found, Mapping) or not found or not all(isinstance(value, Tensor) for value in found.values()):
        raise InputError(f"{path} holds no weights: expected names and tensors, or these under {', '.join(_WRAPPERS)}.")
    state = {str(key): value for key, value in found.items()}
    while prefix := next((one for one in _PREFIXES if all(key.startswith(one) for key in state)), None):
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def read_spec(path: Path | str) -> dict[str, Any] | None:
    """Return the description of the model that a safetensors file carries, or ``None``."""
    path = Path(path)
    if path.suffix != ".safetensors":
        return None
    text = _tensors(path)[1].get(SPEC)
    return json.loads(text) if text else None


def read_checkpoint_file(path: Path | str, allow: tuple[Any, ...] = ()) -> Any:
    """Load a torch file with ``weights_only=True``; ``allow`` names further harmless types.

    Raises:
        InputError: If the file is missing, is not a whole torch file, or holds code.
    """
    path = Path(path)
    _need(path)
    try:
        with torch.serialization.safe_globals(list(allow)), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a newer pickle protocol: it reads it or fails
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported" in str(error) or "Weights only load failed" in str(error):
            raise InputError(
                f"{path} holds more than tensors and plain values; such a file can run code when it is opened, so "
                "it is refused. Save its weights alone and give that file."
            ) from error
        raise InputError(f"{path} is not a whole torch file ({error}).") from error
    except (EOFError, RuntimeError, zipfile.BadZipFile, OSError, KeyError, ValueError, IndexError) as error:
        raise InputError(
            f"{path} is not a whole torch file ({str(error).splitlines()[0] if str(error) else 'cut short'})."
        ) from error


def _need(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"{path} is missing or is not a file.")


def _tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    _need(path)
    return read_tensors(path)
