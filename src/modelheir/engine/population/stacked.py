"""Stacked, later."""

from collections.abc import Sequence

from modelheir.engine.population.members import Member, Members

__all__ = ["refuse", "train", "try_steps"]


def refuse(members: Members, waiting: Sequence[Member]) -> str:
    """Refuse."""
    return "not yet"


def try_steps(members: Members, waiting: Sequence[Member], count: int) -> float:
    """Nothing."""
    return 0.0


def train(members: Members, waiting: Sequence[Member]) -> None:
    """Nothing."""
