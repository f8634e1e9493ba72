"""Find a module of a network by its path; one that is not there is answered with the nearest names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from torch import nn

from modelheir.checks import InputError

__all__ = ["beginnings", "find_module", "title"]

_OFFERED = 3  #: names at most, that a wrong path is answered with


def find_module(model: nn.Module, path: str) -> nn.Module:
    """Return the module at ``path``, as ``named_modules`` names it.

    Raises:
        InputError: If there is none; with the nearest names, and how all of them begin.

    Example:
        >>> find_module(nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh())), "1.0")
        Tanh()
    """
    found = {name: module for name, module in model.named_modules(remove_duplicate=False) if name}
    if path in found:
        return found[path]
    near = [name for name in found if name.endswith(f".{path}")]
    near += [name for name in difflib.get_close_matches(path, found, n=_OFFERED) if name not in near]
    offer = f" Did you mean {' or '.join(repr(name) for name in near[:_OFFERED])}?" if near else ""
    raise InputError(f"no module of {title(model)} is called {path!r}.{offer} Names begin with {beginnings(found)}.")


def title(model: nn.Module) -> str:
    """Return what a model is called in a sentence: its architecture, or the name of its class."""
    return str(getattr(model, "spec", {}).get("name", type(model).__name__))


def beginnings(names: Iterable[str]) -> str:
    """Return how names begin, in their order: two pieces each, four of them.

    Example:
        >>> beginnings(["body.conv.weight", "body.conv.bias", "head.weight"])
        'body.conv, head.weight'
    """
    found = list(dict.fromkeys(".".join(name.split(".")[:2]) for name in names))
    found = [name for name in found if not any(other.startswith(f"{name}.") for other in found)]
    return ", ".join([*found[:4], *(["..."] if len(found) > 4 else [])])
