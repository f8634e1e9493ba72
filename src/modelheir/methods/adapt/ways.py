"""What the strategies do, in stages.

Linear probe, then all: Kumar et al., 2022, arXiv:2202.10054. Gradual unfreezing: Howard and Ruder, 2018,
arXiv:1801.06146. WiSE-FT: Wortsman et al., 2022, arXiv:2109.01903, with the share chosen on the selection images. Rates
that fall over steps: Ji et al., 2024, arXiv:2407.09642; ours differ: the run's learning rate stands in the place of the
benchmark's 1e-3. Stages of a network are those of :mod:`modelheir.models.groups`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modelheir import models
from modelheir.config.over_time.rates import BASE, PUBLISHED, rates
from modelheir.methods.adapt.recipes import recipes, tuned
from modelheir.models import blends

if TYPE_CHECKING:
    from modelheir.methods.adapt.builder import Builder, Done, Node
    from modelheir.methods.given import Given
    from modelheir.models import Classifier

__all__ = [
    "HISTORY", "all_together", "all_weighted", "chosen_layers", "dawin", "decaying", "domains", "fine_tune", "gradual",
    "low_rank", "newest_alone", "probe_then_all", "sequential", "sequential_average", "wise_ft",
]  # fmt: skip

SHARES = tuple(number / 10 for number in range(11))  #: of the past in a blend
HISTORY = "history"  #: the stage of a network trained on the past alone
_PAST = {"": HISTORY, "irm": "history_irm", "group_dro": "history_dro"}
_NAMES = {"irm": "irm", "group_dro": "dro", "coral": "coral", "l2_sp": "l2", "l1_sp": "l1", "ewc": "ewc"}
_NAMES |= {"fisher": "fisher", "": "erm"}

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
        (recipe,) = recipes(build, 1)
        name, start = f"{_NAMES[pull or kind]}_fine_tune", _start(build, past, pull)
        return tuned(build, name, [build.newest], start, recipe, pull=pull, toward=toward)

    return way


def probe_then_all(build: Builder) -> Node:
    """Train the classifier on the newest step before the rest of the network."""
    probe = build.train("linear_probe", [build.newest], start=_past(build), layers="head", rates=(1.0,))
    return build.train("linear_probe_fine_tune", [build.newest], start=probe)


def low_rank(build: Builder) -> Node:
    """Train the classifier and changes of rank 8 of the other weights."""
    return build.train("low_rank_fine_tune", [build.newest], start=_past(build), layers="low_rank:8,head")


def chosen_layers(name: str, word: str) -> Way:
    """Tune those layers alone that do best on the selection images: of all subsets, or of those that lead a ranking."""
    return lambda build: tuned(build, name, [build.newest], _past(build), word)


def gradual(direction: int) -> Way:
    """Tune one stage of the network more at a time, from the stem (1) or the head (-1), each from the one before."""

    def way(build: Builder) -> Node:
        node, count = _past(build), len(models.stages(build.given.model.build()))
        order = range(count) if direction > 0 else range(count - 1, -1, -1)
        name = "first_to_last" if direction > 0 else "last_to_first"
        for size in range(1, count + 1):
            layers = ",".join(f"stage:{number}" for number in sorted(order[:size]))
            node = build.train(f"gradual_unfreeze_{name}_{size}", [build.newest], start=node, layers=layers)
        return node

    return way


def sequential(*, pull: str = "", replay: bool = False) -> Way:
    """Train on one step after another, perhaps pulled to earlier models, or with images of earlier steps.

    Args:
        pull: ``l2_sp``, ``l1_sp`` or ``fisher`` to the model of the step before, ``ewc`` to all earlier ones; none.
        replay: Whether images of earlier steps are seen too.
    """
    return lambda build: _sequence(build, pull=pull, replay=replay)[-1]


def decaying(kind: str) -> Way:
    """Train on one step after another, at learning rates that fall from step to step; the best schedule is taken."""

    def way(build: Builder) -> Node:
        node: Node = ()
        for schedule in PUBLISHED[kind]:
            falling = [rate / BASE for rate in rates(schedule, len(build.history))]
            prefix = f"{kind}{falling[0]:g}_{schedule.change / (BASE if kind == 'linear' else 1):g}_step"
            told = {
                "learning_rate_decay": kind,
                "starting_learning_rate": schedule.start / BASE * build.given.fit.lr,
                "learning_rate_decay_factor": schedule.change * (build.given.fit.lr / BASE if kind == "linear" else 1),
            }
            node += _sequence(build, name=prefix, falling=falling, told=told)[-1]
        return node

    return way


def _sequence(
    build: Builder,
    *,
    name: str = "step",
    pull: str = "",
    replay: bool = False,
    falling: Sequence[float] = (),
    told: Mapping[str, Any] | None = None,
) -> list[Node]:
    """Return the stages of each step; ``falling`` are multipliers of the learning rate, one a step, none: tuned."""
    name = f"{_NAMES[pull]}_step" if pull else "replay_step" if replay else name
    first = f"step_1_rate{falling[0]:g}" if falling and falling[0] != 1 else "step_1"
    nodes = [build.train(first, [0], select=[0], rates=falling[:1])]
    for number, recipe in enumerate(recipes(build, build.newest), 1):
        toward = tuple((node, (step,)) for step, node in enumerate(nodes)) if pull else ()
        toward = toward if pull == "ewc" else toward[-1:]
        kind = "ewc" if pull == "fisher" else pull
        own = {"pull": kind, "toward": toward, "replay": replay, "rates": falling[number : number + 1]}
        own |= {"told": told} if told else {}
        start = _start(build, nodes[-1], pull)
        nodes.append(tuned(build, f"{name}_{number + 1}", [number], start, recipe, select=[number], **own))
    return nodes


def _start(build: Builder, past: Node, pull: str) -> Node:
    """Return whose weights are gone on with: none where the pull alone is to tell of the past."""
    return () if pull and build.tuning.start_anew else past


def sequential_average(build: Builder) -> Node:
    """Average the weights after each step; batch norms are estimated anew on the newest images."""
    nodes = _sequence(build)

    def make(done: Done, given: Given) -> tuple[Classifier, dict[str, Any]]:
        every = [build.model(done, node) for node in nodes]
        model = blends.interpolate_models(every[0], every, 0.0)
        blends.recalibrate(model.to(given.data.runtime.device), _mixed(given).epoch(0))
        return model, {"averaged": len(every), "of": [build.best(done, node).name for node in nodes]}

    return build.blend("sequential_average", make, before=nodes[-2])


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
        sources = [build.best(done, node).name for node in (past, present)]
        return blend(share), {"share of the past": share, "scores": list(scores.items()), "of": sources}

    return build.blend("wise_ft", make, before=past)


def dawin(build: Builder) -> Node:
    """Keep the network of the past and the one tuned to the newest: each image is answered by weights between them."""
    past, present = _past(build), fine_tune()(build)

    def make(done: Done, given: Given) -> tuple[Any, dict[str, Any]]:
        sources = [build.best(done, node).name for node in (past, present)]
        return blends.DaWin(build.model(done, past), build.model(done, present)), {"of": sources}

    return build.blend("dawin", make, before=past)


def _mixed(given: Given) -> Any:
    """Return the training images as training shows them, in a mixed order, the same on every process."""
    return given.data.stream("train", rank=0, world=1)


def _accuracy(model: Classifier, given: Given) -> float:
    found = given.old.predict(model, given.data.evaluation()["val"])
    return float((found.prediction == found.label).mean())
