"""What the strategies do, in stages.

Linear probe, then all: Kumar et al., 2022, arXiv:2202.10054. Surgical fine-tuning: Lee et al., 2023, arXiv:2210.11466.
Gradual unfreezing: Howard and Ruder, 2018, arXiv:1801.06146. WiSE-FT: Wortsman et al., 2022, arXiv:2109.01903, with the
share chosen on the selection images. Stages of a network are those of :mod:`modelheir.models.groups`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from modelheir import models
from modelheir.models import blends, gradients

if TYPE_CHECKING:
    from modelheir.methods.adapt.builder import Builder, Done, Node
    from modelheir.methods.given import Given
    from modelheir.models import Classifier

__all__ = [
    "HISTORY", "all_together", "all_weighted", "domains", "fine_tune", "gradual", "low_rank", "newest_alone",
    "probe_then_all", "sequential", "sequential_average", "surgical", "wise_ft",
]  # fmt: skip

SHARES = tuple(number / 10 for number in range(11))  #: of the past in a blend
HISTORY = "history"  #: the stage of a network trained on the past alone
_PAST = {"": HISTORY, "irm": "history_irm", "group_dro": "history_dro"}
_NAMES = {"irm": "irm", "group_dro": "dro", "coral": "coral", "l2_sp": "l2", "l1_sp": "l1", "ewc": "ewc", "": "erm"}

Way = Callable[["Builder"], "Node"]


def newest_alone(build: Builder) -> Node:
    """Train on the newest step."""
    return build.train("erm_final", [build.newest])


def all_together(build: Builder) -> Node:
    """Train on all steps."""
    return build.train("erm_all", range(len(build.history)))


def all_weighted(build: Builder) -> Node:
    """Train on all steps with the benchmark's weights, which end at 1."""
    count = len(build.history)
    return build.train("erm_all_weighted", range(count), weights=tuple(1 / (count - t) for t in range(count)))


def domains(kind: str) -> Way:
    """Train on all steps by an objective that sees them apart."""
    return lambda build: build.train(f"{_NAMES[kind]}_all", range(len(build.history)), kind=kind)


def _past(build: Builder, kind: str = "") -> Node:
    steps = range(build.newest)
    return build.train(_PAST[kind], steps, select=steps, kind=kind if len(steps) > 1 else "")


def fine_tune(*, kind: str = "", pull: str = "") -> Way:
    """Train on the past, then on the newest step, perhaps pulled to the weights of the past."""

    def way(build: Builder) -> Node:
        past = _past(build, kind)
        toward = ((past, tuple(range(build.newest))),) if pull else ()
        return build.train(f"{_NAMES[pull or kind]}_fine_tune", [build.newest], start=past, pull=pull, toward=toward)

    return way


def probe_then_all(build: Builder) -> Node:
    """Train the classifier on the newest step before the rest of the network."""
    probe = build.train("linear_probe", [build.newest], start=_past(build), layers="head", rates=(1.0,))
    return build.train("linear_probe_fine_tune", [build.newest], start=probe)


def low_rank(build: Builder) -> Node:
    """Train the classifier and changes of rank 8 of the other weights."""
    return build.train("low_rank_fine_tune", [build.newest], start=_past(build), layers="low_rank:8,head")


def surgical(score: Literal["rgn", "snr"]) -> Way:
    """Tune the best-scored stage of the network, the best two, and so on; the selection images choose how many."""

    def way(build: Builder) -> Node:
        past, node = _past(build), ()
        for size in range(1, _stage_count(build) + 1):
            layers = _best_stages(build, score, size)
            node += build.train(f"surgical_{score}_{size}", [build.newest], start=past, layers=layers)
        return node

    return way


def _stage_count(build: Builder) -> int:
    return len(models.stages(build.given.model.build()))


def _best_stages(build: Builder, score: Literal["rgn", "snr"], size: int) -> Callable[[Done, Classifier], str]:
    def choose(done: Done, model: Classifier) -> str:
        data = build.on([build.newest]).data  # every process reads all images, so that all choose alike
        stream = data.stream("train", train=False, rank=0, world=1)
        layers = {f"stage:{number}": names for number, names in enumerate(models.stages(model))}
        scores = gradients.layer_scores(model.to(data.runtime.device), stream.epoch(0), layers, score=score)
        best = gradients.ranked_layers(scores)[:size]
        return ",".join(name for name in layers if name in best)

    return choose


def gradual(direction: int) -> Way:
    """Tune one stage of the network more at a time, from the stem (1) or the head (-1), each from the one before."""

    def way(build: Builder) -> Node:
        node, count = _past(build), _stage_count(build)
        order = range(count) if direction > 0 else range(count - 1, -1, -1)
        name = "first_to_last" if direction > 0 else "last_to_first"
        for size in range(1, count + 1):
            layers = ",".join(f"stage:{number}" for number in sorted(order[:size]))
            node = build.train(f"gradual_unfreeze_{name}_{size}", [build.newest], start=node, layers=layers)
        return node

    return way


def sequential(*, pull: str = "", replay: bool = False) -> Way:
    """Train on one step after another, perhaps pulled to all earlier models, or with images of earlier steps."""
    return lambda build: _sequence(build, pull=pull, replay=replay)[-1]


def _sequence(build: Builder, *, pull: str = "", replay: bool = False) -> list[Node]:
    name = "ewc_step" if pull else "replay_step" if replay else "step"
    nodes = [build.train("step_1", [0], select=[0])]
    for number in range(1, len(build.history)):
        toward = tuple((node, (step,)) for step, node in enumerate(nodes)) if pull else ()
        own = {"start": nodes[-1], "pull": pull, "toward": toward, "replay": replay}
        nodes.append(build.train(f"{name}_{number + 1}", [number], select=[number], **own))
    return nodes


def sequential_average(build: Builder) -> Node:
    """Average the weights after each step; batch norms are estimated anew on the newest images."""
    nodes = _sequence(build)

    def make(done: Done, given: Given) -> tuple[Classifier, dict[str, Any]]:
        every = [build.model(done, node) for node in nodes]
        model = blends.interpolate_models(every[0], every, 0.0)
        blends.recalibrate(model.to(given.data.runtime.device), _mixed(given).epoch(0))
        return model, {"averaged": len(every)}

    return build.blend("sequential_average", make)


def wise_ft(build: Builder) -> Node:
    """Blend the weights of the past with those tuned to the newest; the selection images choose the share."""
    past, present = _past(build), fine_tune()(build)

    def make(done: Done, given: Given) -> tuple[Classifier, dict[str, Any]]:
        old, new = build.model(done, past), build.model(done, present)

        def blend(share: float) -> Classifier:
            model = blends.interpolate_models(old, [new], share)
            if 0 < share < 1:
                blends.recalibrate(model.to(given.data.runtime.device), _mixed(given).epoch(0))
            return model

        scores = {share: _accuracy(blend(share), given) for share in SHARES}
        share = max(scores, key=lambda one: scores[one])
        return blend(share), {"share of the past": share, "scores": list(scores.items())}

    return build.blend("wise_ft", make)


def _mixed(given: Given) -> Any:
    """Return the training images in evaluation's view and in a mixed order, the same on every process."""
    return given.data.stream("train", train=False, shuffle=True, rank=0, world=1)


def _accuracy(model: Classifier, given: Given) -> float:
    found = given.old.predict(model, given.data.evaluation()["val"])
    return float((found.prediction == found.label).mean())
