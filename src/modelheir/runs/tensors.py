"""Nested state as one safetensors file: tensors as tensors, the rest as JSON in its header. No pickles.

The header carries a digest of everything else, which is checked when the file is read; any reader of safetensors reads
the file all the same, and files without a digest are read as they are.

Importing this file imports torch; the other files of ``runs`` do not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from modelheir.checks import InputError
from modelheir.runs.files import replace_file
from modelheir.runs.snapshots.eight_bit import decode

__all__ = ["load_state", "load_weights", "read_tensors", "save_state", "save_weights", "state_digest"]

_KEY = "modelheir_state"
_DIGEST = "sha256"  #: key of the header


def _pull(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Replace every tensor inside ``value`` by a reference to its name in the file."""
    if isinstance(value, Tensor):
        while name in tensors:  # {"a.b": x, "a": {"b": y}}
            name += "'"
        # clone: safetensors refuses memory that two names share
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"__tensor__": name}
    if isinstance(value, dict):
        return {"__dict__": [[key, _pull(item, f"{name}.{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_pull(item, f"{name}.{i}", tensors) for i, item in enumerate(value)]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"{name} is a {type(value).__name__}, which a state file cannot hold")


def _push(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if "__tensor__" in value:
            return tensors[value["__tensor__"]]
        return {key: _push(item, tensors) for key, item in value["__dict__"]}
    if isinstance(value, list):
        return [_push(item, tensors) for item in value]
    return value


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write nested dicts and lists of tensors, numbers, text and ``None``; whole or not at all."""
    tensors: dict[str, Tensor] = {}
    tree = _pull(state, "state", tensors)
    _write(path, tensors, {_KEY: json.dumps(tree)})


def state_digest(state: dict[str, Any]) -> str:
    """Return the SHA-256 of what :func:`save_state` would write."""
    tensors: dict[str, Tensor] = {}
    return _digest(tensors, {_KEY: json.dumps(_pull(state, "state", tensors))})


def _write(path: Path, tensors: dict[str, Tensor], header: Mapping[str, str]) -> None:
    whole = {**header, _DIGEST: _digest(tensors, header)}
    replace_file(path, lambda temporary: save_file(tensors, temporary, metadata=whole))


def _digest(tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> str:
    """Return the SHA-256 of names, types, shapes, values and header, whatever their order."""
    found = hashlib.sha256(json.dumps(sorted(header.items())).encode())
    for name, value in sorted(tensors.items()):
        found.update(json.dumps([name, str(value.dtype), list(value.shape)]).encode())
        found.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors of a safetensors file, on the CPU, and the texts of its header.

    Raises:
        InputError: If the file is missing or cut short, or does not hold what was written.
    """
    passing = path.name in ("resume.safetensors", "best.safetensors")
    advice = "Delete it, and the same command trains that stage again" if passing else "Restore it from a copy"
    try:
        with safe_open(path, framework="pt") as handle:
            header = dict(handle.metadata() or {})
            # clone: what is read is a map of the file, which is about to be replaced
            tensors = {key: handle.get_tensor(key).clone() for key in handle.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a whole safetensors file ({error}). {advice}.") from error
    digest = header.pop(_DIGEST, None)
    if digest is not None and digest != _digest(tensors, header):
        raise InputError(f"{path} is damaged: its content is not what was written (SHA-256). {advice}.")
    return tensors, header


def load_state(path: Path) -> dict[str, Any]:
    """Read what :func:`save_state` wrote.

    Raises:
        InputError: If the file is cut short or damaged, or was not written by :func:`save_state`.
    """
    tensors, header = read_tensors(path)
    if _KEY not in header:
        raise InputError(f"{path} holds plain weights, not a saved training state.")
    return _push(json.loads(header[_KEY]), tensors)


def save_weights(path: Path, weights: dict[str, Tensor], about: dict[str, str] | None = None) -> None:
    """Write a flat state dict; whole or not at all."""
    flat = {key: value.detach().to("cpu", copy=True).contiguous() for key, value in weights.items()}
    _write(path, flat, about or {})


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read a flat state dict from a safetensors file on the CPU, codes as float32; raises as :func:`read_tensors`."""
    return decode(read_tensors(path)[0])
