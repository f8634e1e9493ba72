"""The header of a snapshot: which of its keys are weights that the training moved, in the network's order.

Buffers, and weights that are kept as they are, stand in the file beside them; a subspace is of the trained ones alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError, safe_open

from modelheir.checks import InputError

__all__ = ["trained_names", "write_header"]

_TRAINED = "trained"  #: key of the header


def write_header(trained: Sequence[str]) -> dict[str, str]:
    """Return the texts of a snapshot's header.

    Args:
        trained: Keys ``<module>/<parameter>`` of the weights that are trained.

    Example:
        >>> write_header(["model/head.weight"])
        {'trained': '["model/head.weight"]'}
    """
    return {_TRAINED: json.dumps(list(trained))}


def trained_names(path: Path) -> tuple[str, ...]:
    """Return the keys ``<module>/<parameter>`` of the trained weights in a snapshot; ``()`` where the file says none.

    Reads the header alone, and imports no torch.

    Raises:
        InputError: If the file is missing or cut short, or names a weight that it does not hold.
    """
    try:
        with safe_open(path, framework="numpy") as handle:
            said, held = (handle.metadata() or {}).get(_TRAINED), set(handle.keys())
    except (SafetensorError, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a whole safetensors file ({error}). Restore it from a copy.") from error
    try:
        names = [] if said is None else json.loads(said)
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(one, str) and one in held for one in names):
        raise InputError(f"{path} is damaged: its header names trained weights that it does not hold.")
    return tuple(names)
