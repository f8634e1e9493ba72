"""What a practitioner would try first, on all views side by side: logistic regression, a linear SVM, label spreading.

All are scikit-learn's, on vectors scaled as the heads scale theirs. The strength of the penalty (of label spreading the
number of neighbours) is the one with the best accuracy on the selection images, of equal ones the first. The first two
are linear, and are kept as a linear head; label spreading (Zhou et al., "Learning with Local and Global Consistency",
2004) names the pool, on which a head then learns beside the labels.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from modelheir.methods.cotrain.build import PLAIN
from modelheir.methods.cotrain.supervised import wide_task

if TYPE_CHECKING:
    from modelheir.data import VectorSet
    from modelheir.methods.cotrain.build import Build, Done, Node
    from modelheir.models import VectorHead
    from modelheir.plans import Task

__all__ = ["label_spreading", "linear_head", "logistic", "svm"]

_PENALTIES = (1.0, 0.1, 0.01, 0.001, 10.0)  #: of logistic regression and SVM, C of scikit-learn
_NEIGHBOURS = (7, 15, 30)
_MOST = 20_000  #: samples among which labels are spread; time and memory grow with them


def logistic(build: Build) -> Node:
    """Add the stage of a logistic regression."""

    def fit(penalty: float, x: np.ndarray, y: np.ndarray) -> Any:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=penalty, max_iter=2000).fit(x, y)

    return build.add("logistic", lambda done: _linear(build, fit))


def svm(build: Build) -> Node:
    """Add the stage of a linear support vector machine, one class against the others."""

    def fit(penalty: float, x: np.ndarray, y: np.ndarray) -> Any:
        from sklearn.svm import LinearSVC

        return LinearSVC(C=penalty, random_state=0, max_iter=5000).fit(x, y)

    return build.add("svm", lambda done: _linear(build, fit))


def _linear(build: Build, fit: Callable[[float, np.ndarray, np.ndarray], Any]) -> Task:
    """Fit with each penalty and keep the best on the selection images as a linear head."""
    x, y = build.wide(build.labelled), build.labelled.labels
    chosen, value = _best(build, _PENALTIES, lambda penalty: fit(penalty, x, y))
    return build.task({"all": linear_head(build, chosen)}, {}, describe={"setting": {"C": value}})


def linear_head(build: Build, fitted: Any) -> VectorHead:
    """Return a linear model of scikit-learn on all views side by side as a head."""
    import torch

    weight, bias = fitted.coef_, fitted.intercept_
    if len(weight) == 1:  # two classes, of which the second's logit is given
        weight, bias = np.concatenate([-weight / 2, weight / 2]), np.concatenate([-bias / 2, bias / 2])
    head = build.wide_head(**PLAIN)
    with torch.no_grad():
        layer: Any = head.layers.last
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))
    return head


def label_spreading(build: Build) -> Node:
    """Add the stage of a head on the labels and on what label spreading makes of the pool."""

    def prepare(done: Done) -> Task:
        pool = build.pool.subset(np.arange(max(0, min(len(build.pool), _MOST - len(build.labelled)))))
        named, value = build.given.data.runtime.by_main(lambda: _spread(build, pool))
        return wide_task(
            build,
            build.named(np.arange(len(named)), named),
            describe={"setting": {"neighbours": value}, "named": len(pool)},
        )

    return build.add("label_spreading", prepare)


def _spread(build: Build, pool: VectorSet) -> tuple[np.ndarray, float]:
    """Return what label spreading names the pool, and the number of neighbours."""
    from sklearn.semi_supervised import LabelSpreading

    x = np.concatenate([build.wide(build.labelled), build.wide(pool)])
    y = np.concatenate([build.labelled.labels, np.full(len(pool), -1)])

    def fit(neighbours: float) -> Any:
        return LabelSpreading(kernel="knn", n_neighbors=int(neighbours), max_iter=100).fit(x, y)

    chosen, value = _best(build, _NEIGHBOURS, fit)
    return chosen.transduction_[len(build.labelled) :].astype(np.int64), value


def _best(build: Build, values: tuple[float, ...], fit: Callable[[float], Any]) -> tuple[Any, float]:
    """Return the fitted model and the value with the best accuracy on the selection images."""
    val: VectorSet = build.views.sets["val"]
    known = val.subset(val.labels >= 0)
    x, found = build.wide(known), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fit that is not converged is judged by what it gets right
        for value in values:
            model = fit(value)
            found.append((float((model.predict(x) == known.labels).mean()), model, value))
    _, model, value = max(found, key=lambda one: one[0])
    return model, value
