"""Put a state dict into a model whole: what is missing, left over or does not fit is an error that says so."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from modelheir.checks import InputError

__all__ = ["fit_weights", "from_library"]


def from_library(state: Mapping[str, Tensor], layout: Mapping[str, str]) -> dict[str, Tensor]:
    """Rename a library's parameters to ours; names that are ours already stay.

    Args:
        state: Parameters by the library's names, or by ours.
        layout: Our prefix to the library's; an empty one takes what no other prefix takes.

    Example:
        >>> from_library({"fc.bias": 1, "conv1.weight": 2}, {"head": "fc", "body": ""})
        {'head.bias': 1, 'body.conv1.weight': 2}
    """
    if any(key.startswith("body.") for key in state):
        return dict(state)
    pairs = sorted(layout.items(), key=lambda pair: -len(pair[1]))
    renamed: dict[str, Tensor] = {}
    for key, value in state.items():
        ours, theirs = next(
            ((ours, theirs) for ours, theirs in pairs if not theirs or key.startswith(f"{theirs}.")), ("", "")
        )
        renamed[f"{ours}.{key.removeprefix(theirs + '.') if theirs else key}" if ours else key] = value
    return renamed


def fit_weights(model: nn.Module, state: Mapping[str, Tensor], source: str, *, optional: tuple[str, ...] = ()) -> None:
    """Load ``state`` into ``model``; all of it or nothing.

    Args:
        model: Takes the weights in place.
        state: By the model's own names.
        source: Where the weights come from, for the message.
        optional: Prefixes of names that may be missing.

    Raises:
        InputError: If names are missing, left over, have other shapes, or hold no real numbers (int, bool, complex)
            where the model does; counts them and names the first five.
    """
    own = model.state_dict()
    tracked = {key for key in own if key.endswith("num_batches_tracked")}  # old files lack these counters
    missing = [key for key in own if key not in state and not key.startswith(optional) and key not in tracked]
    left = [key for key in state if key not in own]
    other = [
        f"{key} {tuple(state[key].shape)} for {tuple(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    whole = [
        f"{key} {str(state[key].dtype).removeprefix('torch.')}"
        for key in own
        if key in state and own[key].is_floating_point() and not state[key].is_floating_point()
    ]
    parts = [
        f"{len(found)} {word} ({', '.join(found[:5])}{', ...' if len(found) > 5 else ''})"
        for word, found in (
            ("missing", missing),
            ("unexpected", left),
            ("of another shape", other),
            ("not of real numbers", whole),
        )
        if found
    ]
    if parts:
        raise InputError(f"{source} does not fit {_name(model)}: {'; '.join(parts)}. Nothing was loaded.")
    model.load_state_dict({**own, **state})


def _name(model: nn.Module) -> str:
    spec = getattr(model, "spec", {})
    return f"{spec['name']} with {len(spec['classes'])} classes" if "name" in spec else type(model).__name__
