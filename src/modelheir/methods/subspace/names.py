"""What ``subspace`` can try from a pile of snapshots, by name, and what ``auto`` stands for."""

from __future__ import annotations

__all__ = ["ABOUT", "AUTO", "AUTO_TRIES", "IN_PLANE", "tried"]

AUTO = "auto"

#: a line each, for people who choose
ABOUT: dict[str, str] = {
    "cut": "the last snapshot as it is",
    "recalibrated": "the last snapshot with batch-norm statistics of the training images",
    "anneal": "the last snapshot trained on, the rate falling to 0",
    "swa": "the mean of the snapshots",
    "ema": "their exponential mean",
    "lawa": "the mean of the latest few",
    "greedy": "a greedy soup of them by the selection images",
    "twa": "a weight for each snapshot, trained",
    "psgd": "gradients projected on the trajectory's plane",
    "pbfgs": "a quasi-Newton method in that plane",
    "lbfgs": "torch's L-BFGS in that plane",
    "random": "gradients projected on a random plane: a control",
    "full": "a training of its own over the whole schedule: a control",
}

AUTO_TRIES = ("cut", "anneal", "swa", "ema", "lawa", "greedy", "twa", "psgd", "pbfgs")

IN_PLANE = frozenset({"psgd", "pbfgs", "lbfgs", "random"})  #: ways in the plane of the principal directions


def tried(ways: tuple[str, ...]) -> tuple[str, ...]:
    """Return names with ``auto`` replaced by what it stands for, each once, in order.

    >>> tried(("full", "auto"))[:2]
    ('full', 'cut')
    """
    names = [one for name in ways for one in (AUTO_TRIES if name == AUTO else (name,))]
    return tuple(dict.fromkeys(names))
