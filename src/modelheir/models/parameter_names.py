"""Parameters of a network by what a person calls them: parts, stages, names and patterns of names."""

from __future__ import annotations

import fnmatch
import re
from typing import Any

from torch import nn

from modelheir.checks import InputError, nearest
from modelheir.models.groups import layers, stages
from modelheir.models.module_names import beginnings

__all__ = ["find_parameters"]

_WORDS = ("head", "linear")


def find_parameters(model: Any, piece: str, *, said: str) -> list[str]:
    """Return the names of the parameters that one piece of a choice means.

    Args:
        model: A :class:`~modelheir.models.Classifier`.
        piece: ``head`` (classifier layers), ``linear`` (linear layers, the classifier among them), ``stage:N`` (from 0
            at the stem; -1 is the head), the same stages as ``conv1``, ``layer1``, ``layer2``, ... and ``fc``, a
            parameter's or a module's name, or a pattern of names with ``*`` and ``?``.
        said: The setting and its value, with which an error begins.

    Raises:
        InputError: If no parameter is called so, with the nearest name, or there is no such stage.
    """
    every = [name for name, _ in model.named_parameters()]
    if piece == "linear":
        linear = {path for path, one in model.named_modules() if isinstance(one, nn.Linear)}
        return [name for name in every if name.rpartition(".")[0] in linear or name.startswith("head.")]
    if piece == "head" or re.fullmatch(r"stage:-?\d{1,9}", piece):
        groups, number = stages(model), -1 if piece == "head" else int(piece.partition(":")[2])
        if not -len(groups) <= number < len(groups):
            raise InputError(
                f"{said}: there is no {piece}; {model.spec['name']} has {len(groups)} stages, 0 (stem) "
                f"to {len(groups) - 1} (head)."
            )
        return groups[number]
    named = layers(model)
    if piece in named:
        return named[piece]
    found = [name for name in every if fnmatch.fnmatchcase(name, piece) or name.startswith(f"{piece}.")]
    if not found:
        paths = [path for path, one in model.named_modules() if path and next(one.parameters(), None) is not None]
        raise InputError(
            f"{said}: no parameter of {model.spec['name']} is called {piece!r}."
            f"{nearest(piece, [*_WORDS, *named, *every, *paths])} Names begin with {beginnings(every)}."
        )
    return found
