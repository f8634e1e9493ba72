"""Members one after another, each by the house's loop: what every grid can do, on any device and many processes."""

from __future__ import annotations

from collections.abc import Sequence

from modelheir.engine.population.members import Member, Members, train_member

__all__ = ["refuse", "train", "try_steps"]


def refuse(members: Members, waiting: Sequence[Member]) -> str:
    """Refuse nothing."""
    return ""


def try_steps(members: Members, waiting: Sequence[Member], count: int, limit: float) -> float:
    """Return the seconds a step of one member."""
    return members.loop(waiting[0]).try_steps(count) / count


def train(members: Members, waiting: Sequence[Member]) -> None:
    """Train the members in their order; one that was interrupted goes on where it stopped."""
    for member in waiting:
        train_member(members.loop(member))
