"""Ways that train nothing: one of the snapshots, or an average of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from modelheir import inference
from modelheir.models import blends
from modelheir.plans import Task

if TYPE_CHECKING:
    from modelheir.methods.subspace.build import Build, Done
    from modelheir.models import Classifier

__all__ = ["cut", "ema", "greedy", "lawa", "recalibrated", "swa"]


def cut(build: Build, done: Done) -> Task:
    """Keep the last snapshot as it is."""
    return build.task(build.loaded(build.state(done, -1)))


def recalibrated(build: Build, done: Done) -> Task:
    """Keep the last snapshot with batch-norm statistics of the training images."""
    return build.task(build.recalibrated(build.loaded(build.state(done, -1))))


def swa(build: Build, done: Done) -> Task:
    """Average all snapshots used (Izmailov et al., 2018, arXiv:1803.05407)."""
    return build.task(build.averaged(build.mean(done)))


def lawa(build: Build, done: Done) -> Task:
    """Average the latest few (Kaddour, 2022, arXiv:2209.14981)."""
    count = len(build.snapshots(done))
    return _weighed(build, done, blends.latest_weights(count, min(build.config.latest, count)))


def ema(build: Build, done: Done) -> Task:
    """Average exponentially, snapshot by snapshot."""
    return _weighed(build, done, blends.ema_weights(len(build.snapshots(done)), build.config.ema_decay))


def _weighed(build: Build, done: Done, weights: Sequence[float]) -> Task:
    states = (build.state(done, number) for number in range(len(weights)))
    return build.task(build.averaged(blends.average_states(states, weights)))


def greedy(build: Build, done: Done) -> Task:
    """Add snapshots as long as the selection images do not object (Wortsman et al., 2022, arXiv:2203.05482)."""
    data, count = build.given.data, len(build.snapshots(done))
    selection = data.stream("val", train=False)

    def right(model: Classifier) -> float:
        found = inference.predict_model(model, selection, data.runtime, precision=build.given.fit.precision)
        known = found.label >= 0
        return float((found.prediction == found.label)[known].mean())

    scores = [right(build.loaded(build.state(done, number))) for number in range(count)]
    found = blends.greedy_soup(
        lambda number: build.state(done, number), scores, lambda state: right(build.averaged(state))
    )
    steps = [build.snapshots(done)[number].step for number in found.kept]
    model = build.averaged(found.state) if len(found.kept) > 1 else build.loaded(found.state)
    passes = (len(found.tried) + 1) / 3 if build.config.recalibrate else 0.0  # a recalibration is a pass forward
    return build.task(model, describe={"passes": passes, "soup": {"steps": steps, "selection": found.score}})
