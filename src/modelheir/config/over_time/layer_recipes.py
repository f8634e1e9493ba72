"""Which layers are tuned, in which stages, at which step in time: pure lists of layer names.

A recipe joins layers that are tuned together by commas, separates stages, each run to its end, by dashes, and steps in
time by colons: ``fc-all`` tunes the classifier, then everything; ``conv1:fc`` the first layer at the first step and the
classifier at the second. ``all`` is all layers. The grammar is that of Ji et al., "Seq-to-Final", 2024,
arXiv:2407.09642.

Gradual unfreezing: Howard and Ruder, "Universal Language Model Fine-tuning", 2018, arXiv:1801.06146, section 3.3, from
the last layer to the first. Candidates for surgical fine-tuning: Lee et al., 2023, arXiv:2210.11466.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Literal

from modelheir import checks
from modelheir.checks import InputError

__all__ = ["CHOSEN", "Recipe", "gradual_unfreezing", "layer_subsets", "leading_layers", "parse_recipe"]

Recipe = tuple[tuple[str, ...], ...]  #: stages in turn, each the layers that it tunes

CHOSEN = ("search", "surgical_rgn", "surgical_snr")  #: in place of a recipe: which layers move is chosen

_ALL = "all"
_WORDS = ("linear_probe", "gradual_unfreeze_first_to_last", "gradual_unfreeze_last_to_first")


def parse_recipe(
    text: str, layers: Sequence[str], *, steps: int = 1, rule: Literal["fixed", "compat"] = "fixed"
) -> tuple[Recipe, ...]:
    """Read which layers are tuned.

    Args:
        text: A recipe; or ``linear_probe`` (the last layer, then all), ``gradual_unfreeze_first_to_last``,
            ``gradual_unfreeze_last_to_first``.
        layers: All layers, first to last; a name holds no comma, dash or colon.
        steps: Steps in time; one recipe serves all of them.
        rule: Of gradual unfreezing, as :func:`gradual_unfreezing` says.

    Returns:
        One recipe a step; the layers of a stage in the network's order.

    Raises:
        InputError: Names the piece that is no layer, with the nearest one; or says how many steps there are.

    Example:
        >>> parse_recipe("fc-all", ["conv1", "layer1", "fc"])
        ((('fc',), ('conv1', 'layer1', 'fc')),)
        >>> parse_recipe("fc,conv1:fc", ["conv1", "layer1", "fc"], steps=2)
        ((('conv1', 'fc'),), (('fc',),))
    """
    checks.at_least(1, steps=steps)
    names = _checked(layers)
    said = f"method.layers = {text!r}"
    if text.strip() == "linear_probe":
        text = f"{names[-1]}-{_ALL}"
    elif text.strip() in _WORDS:
        order = "first_to_last" if text.strip() == _WORDS[1] else "last_to_first"
        return (gradual_unfreezing(names, order, rule=rule),) * steps
    parts = text.split(":")
    if len(parts) not in (1, steps):
        raise InputError(
            f"{said} holds recipes for {len(parts)} steps, and {steps} follow the first one: give one recipe for all "
            f"of them, or {steps} with colons between."
            if steps > 1
            else f"{said} holds recipes for {len(parts)} steps, and one step alone is tuned: leave the colons out."
        )
    recipes = [tuple(_stage(stage, names, said) for stage in part.split("-")) for part in parts]
    return tuple(recipes if len(recipes) == steps else recipes * steps)


def gradual_unfreezing(
    layers: Sequence[str],
    order: Literal["first_to_last", "last_to_first"],
    *,
    rule: Literal["fixed", "compat"] = "fixed",
) -> Recipe:
    """Return stages that tune one layer more each, beginning at one end.

    Args:
        layers: All layers, first to last.
        order: From which end.
        rule: ``fixed`` has a stage for each layer; ``compat`` leaves out the one before the last, as the published
            code of Seq-to-Final does.

    Returns:
        ``L`` stages, or ``L - 1`` (one where there is one layer).

    Raises:
        InputError: If a word is unknown or a layer is named twice.

    Example:
        >>> gradual_unfreezing(["conv1", "layer1", "fc"], "last_to_first")
        (('fc',), ('layer1', 'fc'), ('conv1', 'layer1', 'fc'))
        >>> gradual_unfreezing(["conv1", "layer1", "fc"], "first_to_last", rule="compat")
        (('conv1',), ('conv1', 'layer1', 'fc'))
    """
    checks.one_of(("first_to_last", "last_to_first"), order=order)
    checks.one_of(("fixed", "compat"), rule=rule)
    names = _checked(layers)
    count = len(names)
    sizes = [size for size in range(1, count + 1) if rule == "fixed" or size != count - 1]
    return tuple(names[:size] if order == "first_to_last" else names[count - size :] for size in sizes)


def layer_subsets(layers: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield every set of layers but the empty one, small ones first: ``2 ** L - 1`` of them.

    >>> list(layer_subsets(["conv1", "fc"]))
    [('conv1',), ('fc',), ('conv1', 'fc')]
    """
    names = _checked(layers)
    for size in range(1, len(names) + 1):
        yield from itertools.combinations(names, size)


def leading_layers(ranked: Sequence[str], layers: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the candidates of surgical fine-tuning: the best layer, the best two, ..., all.

    Args:
        ranked: The layers, best first.
        layers: The same, first to last, in whose order each candidate is.

    Raises:
        ValueError: If the two do not hold the same layers.

    Example:
        >>> leading_layers(["fc", "conv1"], ["conv1", "fc"])
        [('fc',), ('conv1', 'fc')]
    """
    names = _checked(layers)
    if sorted(ranked) != sorted(names):
        raise ValueError(f"ranked and layers must hold the same names, got {list(ranked)} and {list(names)}")
    chosen = [set(ranked[:size]) for size in range(1, len(ranked) + 1)]
    return [tuple(name for name in names if name in some) for some in chosen]


def _checked(layers: Sequence[str]) -> tuple[str, ...]:
    if not layers or len(set(layers)) != len(layers):
        raise ValueError(f"layers must hold each name once, and at least one, got {list(layers)}")
    odd = [name for name in layers if re.search(r"[,:\-\s]", name) or name in (_ALL, "", *_WORDS)]
    if odd:
        raise ValueError(f"a recipe cannot name the layer {odd[0]!r}: it needs a name without , - : and spaces")
    return tuple(layers)


def _stage(stage: str, layers: tuple[str, ...], said: str) -> tuple[str, ...]:
    pieces = [piece.strip() for piece in stage.split(",")]
    for piece in pieces:
        if not piece:
            raise InputError(f"{said} has an empty piece: commas join layers, dashes part stages, colons part steps.")
        if piece not in (*layers, _ALL):
            near = checks.nearest(piece, [*layers, _ALL, *_WORDS, *CHOSEN])
            raise InputError(f"{said}: {piece!r} is no layer.{near} Layers: {', '.join(layers)}; or all.")
        if pieces.count(piece) > 1 or (piece == _ALL and len(pieces) > 1):
            raise InputError(f"{said}: {piece!r} leaves nothing for another piece of its stage to say.")
    return tuple(name for name in layers if name in pieces or pieces == [_ALL])
