"""What ``cotrain`` can try: a row each. Importing it imports no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from modelheir.methods.cotrain import classical, meta, pseudo, rounds, supervised

if TYPE_CHECKING:
    from modelheir.methods.cotrain.build import Build, Node

__all__ = ["ALGORITHMS", "AUTO", "AUTO_TRIES", "Algorithm", "tried"]

AUTO = "auto"


@dataclasses.dataclass(frozen=True)
class Algorithm:
    """A way to use views and a pool."""

    about: str  #: a line for people who choose
    add: Callable[[Build], Node]  #: adds its stages; returns those whose best on the selection images is its model


ALGORITHMS: dict[str, Algorithm] = {
    "supervised": Algorithm("a head a view on the labels alone", supervised.views_alone),
    "concatenated": Algorithm("one head on all views side by side, on the labels alone", supervised.side_by_side),
    "logistic": Algorithm("logistic regression on all views side by side", classical.logistic),
    "svm": Algorithm("a linear SVM on all views side by side", classical.svm),
    "label_spreading": Algorithm("a head on what label spreading makes of the pool", classical.label_spreading),
    "pseudo_label": Algorithm("heads on what all views together name in the pool", pseudo.pseudo_labels),
    "cotrain": Algorithm("co-training: each view is taught what the others are sure of, in rounds", rounds.rounds),
    "mct": Algorithm("Meta Co-Training: views teach each other, and learn what that was worth", meta.meta_co_training),
    "mpl": Algorithm("Meta Pseudo Labels on all views side by side", meta.meta_pseudo_labels),
}

AUTO_TRIES = ("supervised", "concatenated", "logistic", "pseudo_label", "cotrain", "mct")


def tried(algorithms: tuple[str, ...]) -> tuple[str, ...]:
    """Return names with ``auto`` replaced by what it stands for, each once, in order.

    >>> tried(("svm", "auto"))[:2]
    ('svm', 'supervised')
    """
    names = [one for name in algorithms for one in (AUTO_TRIES if name == AUTO else (name,))]
    return tuple(dict.fromkeys(names))
