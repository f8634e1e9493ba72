"""A look at the labels before they are used: which are likely wrong, by what the others say.

A logistic regression on all frozen views side by side, trained on the labels of other images, says what each labelled
image is (five folds within each class); :mod:`modelheir.selection.doubtful_labels` compares. The only label of a class
cannot be looked at. What is found is a matter for a person: some of it is merely hard.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modelheir.methods.cotrain.classical import linear_head
from modelheir.runs.files import replace_file
from modelheir.runs.tables import write_csv
from modelheir.selection.doubtful_labels import doubtful_labels, likely_classes, without_last

if TYPE_CHECKING:
    from modelheir.methods.cotrain.build import Build, Done, Node
    from modelheir.plans import Task

__all__ = ["STAGE", "checked_labels", "out_of_fold", "said_of_labels", "used_labels"]

STAGE = "label_check"

_KEY = "labels"  #: in what the stage describes
_FOLDS = 5
_PENALTY = 0.1  #: C of scikit-learn
_FILE = "labels.csv"
_SOME = 3  #: ids that a note names


def checked_labels(build: Build) -> Node:
    """Add the stage; its model is the logistic regression on all labels.

    Args:
        build: Pieces with the views as their encoders are, before any is tuned: a tuned one has learnt the labels.
    """

    def prepare(done: Done) -> Task:
        x, labels = build.wide(build.labelled), build.labelled.labels
        probabilities, judged = out_of_fold(x, labels, build.given.data.seed, classes=len(build.labelled.classes))
        places = np.flatnonzero(judged)
        rows = places[doubtful_labels(probabilities[judged], labels[judged])]
        gone = set(without_last(rows, labels).tolist() if build.config.check_labels == "drop" else [])
        likely = np.full(len(labels), -1)
        likely[judged] = likely_classes(probabilities[judged], labels[judged])
        names = build.labelled.classes
        found = [
            {
                "sample_id": str(build.labelled.ids[row]),
                "label": names[labels[row]],
                "likely": names[likely[row]],
                "probability_of_label": float(probabilities[row, labels[row]]),
                "probability_of_likely": float(probabilities[row, likely[row]]),
                "dropped": row in gone,
            }
            for row in rows.tolist()
        ]
        head = linear_head(build, _fit(x, labels))
        return build.task({"all": head}, {}, describe={_KEY: {"checked": int(judged.sum()), "doubtful": found}})

    return build.add(STAGE, prepare)


def used_labels(known: np.ndarray, done: Done) -> np.ndarray:
    """Return the sample ids whose labels are used: all, or without those that the check dropped."""
    found = _told(done).get("doubtful", [])
    return known[~np.isin(known, [one["sample_id"] for one in found if one["dropped"]])]


def said_of_labels(build: Build, done: Done) -> tuple[dict[str, Any], list[str]]:
    """Write the file of doubtful labels beside the check, on the main process, and return what is said of them.

    Returns:
        JSON, and the same in sentences; both empty where labels were not checked.
    """
    told = _told(done)
    if not told:
        return {}, []
    place, found = done[STAGE].folder, told["doubtful"]
    build.given.data.runtime.by_main(lambda: replace_file(place / _FILE, lambda path: _write(path, found)))
    dropped = sum(one["dropped"] for one in found)
    some = [f"{one['sample_id']} ({one['label']}, likely {one['likely']})" for one in found[:_SOME]]
    line = f"Of {told['checked']:,} labels that could be checked, {len(found):,} are doubtful"
    line += f": {', '.join(some)}{', ...' if len(found) > _SOME else ''}" if found else ""
    end = f"; {dropped:,} of them were not used. All" if dropped else "; all"
    line += f"{end} stand in stages/{place.name}/{_FILE}." if found else "."
    first = [one["sample_id"] for one in found[:_SOME]]
    return {"checked": told["checked"], "doubtful": len(found), "dropped": dropped, "first": first}, [line]


def out_of_fold(vectors: np.ndarray, labels: np.ndarray, seed: int, *, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what a logistic regression says of each sample that learnt from the labels of others.

    Args:
        vectors: ``(N, D)``.
        labels: ``(N,)``, at least two classes.
        seed: Of the folds, which divide each class.
        classes: ``C``.

    Returns:
        Probabilities ``(N, C)``, and ``(N,)`` whether there are any: not of the only sample of a class.
    """
    folds, rng = np.full(len(labels), -1), np.random.default_rng([seed, _FOLDS])
    for number in range(classes):
        rows = rng.permutation(np.flatnonzero(labels == number))
        if len(rows) > 1:
            folds[rows] = np.arange(len(rows)) % _FOLDS
    found = np.zeros((len(labels), classes))
    for number in range(_FOLDS):
        held = folds == number
        if held.any():
            model = _fit(vectors[~held], labels[~held])
            found[np.ix_(held, model.classes_)] = model.predict_proba(vectors[held])
    return found, folds >= 0


def _fit(vectors: np.ndarray, labels: np.ndarray) -> Any:
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fit that is not converged says enough
        return LogisticRegression(C=_PENALTY, max_iter=2000).fit(vectors, labels)


def _told(done: Done) -> dict[str, Any]:
    return done[STAGE].describe[_KEY] if STAGE in done else {}


def _write(path: Path, found: list[dict[str, Any]]) -> None:
    import pyarrow as pa

    text, number = pa.string(), pa.float64()
    kinds = {"sample_id": text, "label": text, "likely": text, "probability_of_label": number}
    schema = pa.schema({**kinds, "probability_of_likely": number, "dropped": pa.bool_()})
    write_csv(path, [pa.Table.from_pylist(found, schema=schema)])
