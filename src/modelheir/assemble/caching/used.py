"""What a run takes from a teacher cache: the settings of its views, how many there are, and a line about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.methods.given.cached import caches_in, same_views

if TYPE_CHECKING:
    from modelheir.config.run import TrainConfig
    from modelheir.methods.given import Teachers

__all__ = ["cache_lines", "take_views", "view_count"]


def take_views(config: TrainConfig, addresses: Sequence[str]) -> TrainConfig:
    """Return a run's settings with those of the views that a cache among its teachers holds.

    Args:
        config: As given: what was left at its default is taken from the cache.
        addresses: Of all models of the run.

    Raises:
        InputError: If a setting was given and is another than that of the cache, or there are several caches.
    """
    held = {address: told for address, told in caches_in(addresses).items() if told.kind == "crops"}
    if len(held) > 1:
        raise InputError(f"{' and '.join(held)} hold different views of the same images: give one of them.")
    for address, told in held.items():
        usual = InputConfig()
        open_ones = {
            name: value for name, value in told.inputs.items() if getattr(config.inputs, name) == getattr(usual, name)
        }
        config = dataclasses.replace(config, inputs=dataclasses.replace(config.inputs, **open_ones))
        same_views(told, config.inputs, address)
    return config


def view_count(addresses: Sequence[str]) -> int:
    """Return how many views of an image a run shows before they come again, so that its cache has them; 0 is no end."""
    return max((told.views for told in caches_in(addresses).values() if told.kind == "crops"), default=0)


def cache_lines(teachers: Teachers) -> list[str]:
    """Say what a cache holds, and where training sees its images otherwise than its teachers did.

    Raises:
        InputError: If the cache does not fit the run.
    """
    told = teachers.cached.cache.manifest
    who = ", ".join(one["address"] for one in told.teachers)
    shown = f"{told.views} views an image" if told.kind == "crops" else "the centre view"
    lines = [
        f"{teachers.flag} {teachers.cached.address}: {shown} of {told.images:,} images, as {who} saw them; accuracy on "
        "the selection split unknown"
    ]
    if told.kind == "centre" and not teachers.data.fixed_view:
        lines.append(
            f"{teachers.cached.address} has the teacher's view of the centre, and the student sees augmented images: a "
            "cache of views (--views 8) teaches better (Beyer et al., 2021, arXiv:2106.05237)"
        )
    return lines
