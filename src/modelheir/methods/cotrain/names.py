"""What ``cotrain`` can try, by name, and what ``auto`` stands for."""

from __future__ import annotations

__all__ = ["ABOUT", "AUTO", "AUTO_TRIES", "tried"]

AUTO = "auto"

#: a line each, for people who choose
ABOUT: dict[str, str] = {
    "supervised": "a head a view on the labels alone",
    "concatenated": "one head on all views side by side, on the labels alone",
    "logistic": "logistic regression on all views side by side",
    "svm": "a linear SVM on all views side by side",
    "label_spreading": "a head on what label spreading makes of the pool",
    "pseudo_label": "heads on what all views together name in the pool",
    "consistency": "FixMatch and its kin: one head that agrees with itself when vectors get noise",
    "cotrain": "co-training: each view is taught what the others are sure of, in rounds",
    "mct": "Meta Co-Training: views teach each other, and learn what that was worth",
    "mpl": "Meta Pseudo Labels on all views side by side",
}

AUTO_TRIES = ("supervised", "concatenated", "logistic", "pseudo_label", "cotrain", "mct")


def tried(algorithms: tuple[str, ...]) -> tuple[str, ...]:
    """Return names with ``auto`` replaced by what it stands for, each once, in order.

    >>> tried(("svm", "auto"))[:2]
    ('svm', 'supervised')
    """
    names = [one for name in algorithms for one in (AUTO_TRIES if name == AUTO else (name,))]
    return tuple(dict.fromkeys(names))
