"""Ways to use a past for the newest data, a row each, named as in the Seq-to-Final benchmark.

Ji, Alaa and Sontag, "Seq-to-Final: A Benchmark for Tuning from Sequential Distributions to a Final Time Point", 2024,
arXiv:2407.09642; WiSE-FT: Wortsman et al., "Robust fine-tuning of zero-shot models", 2022, arXiv:2109.01903.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from modelheir.models import blends

if TYPE_CHECKING:
    from modelheir.methods.adapt.builder import Builder, Done, Node
    from modelheir.methods.given import Given
    from modelheir.models import Classifier

__all__ = ["STRATEGIES", "Strategy"]

SHARES = tuple(number / 10 for number in range(11))  #: of the past in a blend


@dataclasses.dataclass(frozen=True)
class Strategy:
    """A way to use the past."""

    about: str  #: a line for people who choose
    build: Callable[[Builder], Node]  #: adds its stages; returns those whose best is its model


def _all_steps(build: Builder) -> range:
    return range(len(build.steps))


def _history(build: Builder) -> Node:
    return build.train("history", range(build.newest), select=range(build.newest))


def _weighted(build: Builder) -> Node:
    count = len(build.steps)
    return build.train("erm_all_weighted", range(count), weights=[1 / (count - number) for number in range(count)])


def _fine_tune(build: Builder) -> Node:
    return build.train("erm_fine_tune", [build.newest], start=_history(build))


def _linear_probe(build: Builder) -> Node:
    probe = build.train("linear_probe", [build.newest], start=_history(build), trainable="head", rates=(1.0,))
    return build.train("linear_probe_fine_tune", [build.newest], start=probe)


def _sequence(build: Builder) -> list[Node]:
    nodes = [build.train("step_1", [0], select=[0])]
    for number in range(1, len(build.steps)):
        nodes.append(build.train(f"step_{number + 1}", [number], select=[number], start=nodes[-1]))
    return nodes


def _wise(build: Builder) -> Node:
    past, present = _history(build), _fine_tune(build)

    def make(done: Done, given: Given) -> tuple[Classifier, dict[str, Any]]:
        old, new = build.model(done, past), build.model(done, present)
        scores = {share: _accuracy(blends.interpolate_models(old, [new], share), given) for share in SHARES}
        share = max(scores, key=lambda one: scores[one])
        return blends.interpolate_models(old, [new], share), {
            "share of the past": share,
            "scores": list(scores.items()),
        }

    return build.blend("wise_ft", make)


def _accuracy(model: Classifier, given: Given) -> float:
    found = given.old.predict(model, given.data.evaluation()["val"])
    return float((found.prediction == found.label).mean())


STRATEGIES: dict[str, Strategy] = {
    "erm_final": Strategy("the newest images alone", lambda build: build.train("erm_final", [build.newest])),
    "erm_all": Strategy("all images together", lambda build: build.train("erm_all", _all_steps(build))),
    "erm_all_weighted": Strategy("all images, older ones count less: 1 / (steps - t)", _weighted),
    "erm_fine_tune": Strategy("the past together, then the newest", _fine_tune),
    "linear_probe_fine_tune": Strategy("the past, then the classifier on the newest, then everything", _linear_probe),
    "sequential_fine_tune": Strategy("one step after another", lambda build: _sequence(build)[-1]),
    "wise_ft": Strategy("weights between those of the past and those tuned to the newest", _wise),
}
