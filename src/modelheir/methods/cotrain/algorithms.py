"""The stages of each algorithm: what adds them to a seed's plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from modelheir.methods.cotrain import classical, consistency, meta, pseudo, rounds, supervised
from modelheir.methods.cotrain.calibrated import calibrated

if TYPE_CHECKING:
    from modelheir.methods.cotrain.build import Build, Node

__all__ = ["ALGORITHMS", "add_algorithm"]

#: name -> adds its stages and returns those whose best on the selection images is its model
ALGORITHMS: dict[str, Callable[[Build], Node]] = {
    "supervised": supervised.views_alone,
    "concatenated": supervised.side_by_side,
    "logistic": classical.logistic,
    "svm": classical.svm,
    "label_spreading": classical.label_spreading,
    "pseudo_label": pseudo.pseudo_labels,
    "consistency": consistency.noisy_views,
    "cotrain": rounds.rounds,
    "mct": meta.meta_co_training,
    "mpl": meta.meta_pseudo_labels,
}


def add_algorithm(build: Build, name: str) -> Node:
    """Add the stages of an algorithm to a seed's, the one of its temperatures last; return those that stand for it."""
    return calibrated(build, name, ALGORITHMS[name](build))
