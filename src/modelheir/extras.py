"""What the plain install leaves to its extras: a sentence where the packages of one are missing."""

from __future__ import annotations

import importlib.util
import sys

from modelheir.checks import InputError

__all__ = ["TRAIN", "need", "need_train"]

#: what ``modelheir[train]`` brings, by the names of import; the plain install (compare, report, ensemble) has none
TRAIN = ("torch", "torchvision", "timm", "accelerate", "safetensors", "sklearn")


def need(extra: str, what: str, *packages: str) -> None:
    """Require packages, which are looked for and not imported.

    Args:
        extra: The extra that brings them.
        what: What cannot be done without, to begin the sentence.
        *packages: Names of import.

    Raises:
        InputError: If one is not installed.
    """
    missing = [name for name in packages if not _installed(name)]
    if missing:
        raise InputError(
            f"{what} needs the extra {extra!r}: pip install 'modelheir[{extra}]' (missing: {', '.join(missing)})."
        )


def need_train(what: str) -> None:
    """Require all that ``modelheir[train]`` brings."""
    need("train", what, *TRAIN)


def _installed(name: str) -> bool:
    if name in sys.modules:
        return sys.modules[name] is not None
    return importlib.util.find_spec(name) is not None
