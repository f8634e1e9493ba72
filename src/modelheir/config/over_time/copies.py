"""How steps of time share a network: copies of layers, side modules or adapters, and which layers are copied when."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Sequence
from typing import Annotated

from modelheir.checks import AtLeast, InputError, OneOf, unknown

__all__ = ["BLOCK", "OverTimeConfig", "Routes", "check_routes", "parse_routes", "side_sizes"]

BLOCK = "block"  #: as ``side_layer_sizes``: a side module is built like the block beside it

Routes = tuple[tuple[int, ...], ...]  #: a row a step, a column a layer: the number of the copy that the step uses


@dataclasses.dataclass(frozen=True)
class OverTimeConfig:
    """What a step of time adds to a network."""

    mode: Annotated[str, OneOf("separate", "side_tune", "low_rank_adapt")] = "separate"  #: each step has layers of its
    #: own, modules beside the blocks whose outputs are added, or blocks that differ by low rank
    side_layer_sizes: str = ""  #: channels between a side module's convolutions, as 64,128; "" is one convolution, and
    #: block a module built like the block beside it
    adapter_rank: Annotated[int, AtLeast(0)] = 0  #: rank at each position of a kernel; low_rank_adapt needs >= 1
    adapter_mode: Annotated[str, OneOf("add", "multiply")] = "add"  #: how an adapter changes the weight
    all_layers_efficient: bool = False  #: stem and head are treated as blocks are; else each step has its own
    ablate: bool = False  #: side modules and adapters are left out: what all steps share stays
    compat: bool = False  #: as the benchmark's own program: adapters begin far from the identity, and statistics of
    #: batch normalisation move in layers that are frozen

    def unread(self) -> dict[str, str]:
        """Return the settings that the mode leaves aside."""
        kinds = {
            "side_layer_sizes": ("side_tune",),
            "adapter_rank": ("low_rank_adapt",),
            "adapter_mode": ("low_rank_adapt",),
            "all_layers_efficient": ("side_tune", "low_rank_adapt"),
            "ablate": ("side_tune", "low_rank_adapt"),
        }
        return {name: f"mode = {self.mode!r}" for name, modes in kinds.items() if self.mode not in modes}

    def check(self) -> None:
        """Check what does not depend on the network.

        Raises:
            InputError: If the rank is missing, or the side modules' sizes are none.
        """
        if self.mode == "low_rank_adapt" and self.adapter_rank < 1:
            raise InputError(f"adapter_rank = {self.adapter_rank}: low_rank_adapt needs a rank of at least 1.")
        side_sizes(self.side_layer_sizes)


def side_sizes(text: str) -> tuple[int, ...] | None:
    """Read the channels between a side module's convolutions; ``None`` stands for ``block``.

    Raises:
        InputError: If it is neither.

    Example:
        >>> side_sizes("64,128"), side_sizes(""), side_sizes("block")
        ((64, 128), (), None)
    """
    if text == BLOCK:
        return None
    pieces = [piece.strip() for piece in text.split(",")] if text.strip() else []
    if not all(re.fullmatch(r"0*[1-9]\d{0,5}", piece) for piece in pieces):
        raise InputError(
            f"side_layer_sizes = {text!r}: give channels with commas between, such as 64,128, or block, or nothing for "
            "one convolution."
        )
    return tuple(int(piece) for piece in pieces)


def parse_routes(text: str, *, steps: int, layers: Sequence[str]) -> Routes:
    """Read which layers are new at each step, and return the copy that every step uses of every layer.

    Args:
        text: ``all``; or the layers of a step with commas between, and steps from the second on with colons between. A
            step where nothing is new is ``none``; one list stands for every step.
        steps: How many there are, ``>= 1``.
        layers: Their names, from the images to the logits.

    Raises:
        InputError: If there is no such layer, one is named twice, or there are lists for another number of steps.

    Example:
        >>> parse_routes("conv1,layer1:fc", steps=3, layers=["conv1", "layer1", "fc"])
        ((0, 0, 0), (1, 1, 0), (1, 1, 1))
    """
    said = f"layers = {text!r}"
    lists = [[piece.strip() for piece in one.split(",")] for one in text.split(":")]
    if len(lists) == 1:
        lists = lists * (steps - 1)
    if len(lists) != steps - 1:
        raise InputError(
            f"{said} has lists for {len(lists)} steps, and {steps - 1} follow the first: give one for each, or one "
            "for all."
        )
    rows = [(0,) * len(layers)]
    for pieces in lists:
        words = {"all": list(layers), "none": []}
        new = words[pieces[0]] if len(pieces) == 1 and pieces[0] in words else pieces
        for name in new:
            if name not in layers:
                raise unknown(f"layer in {said}:", name, [*layers, *words])
        if len(set(new)) < len(new):
            raise InputError(f"{said} names a layer twice in one step: name each once.")
        rows.append(tuple(copy + (name in new) for name, copy in zip(layers, rows[-1], strict=True)))
    return tuple(rows)


def check_routes(routes: Sequence[Sequence[int]], layers: Sequence[str]) -> Routes:
    """Return routes as they are kept, after a check that each copy is first used by the step after the one before.

    Raises:
        ValueError: If a row has another length than ``layers``, the first is not all 0, or a column falls or leaps.
    """
    rows = tuple(tuple(int(copy) for copy in row) for row in routes)
    if not rows or any(len(row) != len(layers) for row in rows):
        raise ValueError(f"routes need a row a step and {len(layers)} columns, one a layer")
    if any(rows[0]):
        raise ValueError(f"the first step uses copy 0 of every layer, got {rows[0]}")
    for before, after in itertools.pairwise(rows):
        if any(b - a not in (0, 1) for a, b in zip(before, after, strict=True)):
            raise ValueError(f"a step uses the copy of the step before, or the next one, got {before} and {after}")
    return rows
