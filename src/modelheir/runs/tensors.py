"""Nested state as one safetensors file: tensors as tensors, the rest as JSON in its header. No pickles.

Importing this file imports torch; the other files of ``runs`` do not.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from modelheir.checks import InputError
from modelheir.runs.files import replace_file

__all__ = ["load_state", "load_weights", "save_state", "save_weights"]

_KEY = "modelheir_state"


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
    header = {_KEY: json.dumps(tree)}
    replace_file(path, lambda temporary: save_file(tensors, temporary, metadata=header))


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as handle:
            # clone: what is read is a map of the file, which is about to be replaced
            return {key: handle.get_tensor(key).clone() for key in handle.keys()}, handle.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{path} is not a whole safetensors file ({error}). Delete it to start that part again."
        ) from error


def load_state(path: Path) -> dict[str, Any]:
    """Read what :func:`save_state` wrote.

    Raises:
        InputError: If the file is cut short, or was not written by :func:`save_state`.
    """
    tensors, header = _read(path)
    if _KEY not in header:
        raise InputError(f"{path} holds plain weights, not a saved training state.")
    return _push(json.loads(header[_KEY]), tensors)


def save_weights(path: Path, weights: dict[str, Tensor], about: dict[str, str] | None = None) -> None:
    """Write a flat state dict; whole or not at all."""
    flat = {key: value.detach().to("cpu", copy=True).contiguous() for key, value in weights.items()}
    replace_file(path, lambda temporary: save_file(flat, temporary, metadata=about or {}))


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read a flat state dict from a safetensors file on the CPU."""
    return _read(path)[0]
