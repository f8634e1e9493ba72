"""Fine-tuning inside a joint network whose past is frozen: it must come out as fine-tuning itself does.

The newest step has a copy of every layer, which begins as the step before or as drawn, and alone moves, on the images
of its step. Ji et al., "Seq-to-Final", 2024, arXiv:2407.09642, has these as checks of consistency (table 14). Ours
differs: what is drawn is the run's own first network, and the pull leaves batch norms out, so that each of these equals
the strategy that it is named after, not in the mean alone.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from modelheir import inference, losses
from modelheir.config.over_time.copies import OverTimeConfig, parse_routes
from modelheir.methods.adapt.further import further
from modelheir.models import over_time as nets
from modelheir.objective.supervised import make_supervised
from modelheir.types import LossTerms

if TYPE_CHECKING:
    from torch import Tensor

    from modelheir.methods.adapt.builder import Builder, Done, Node
    from modelheir.methods.given import Given
    from modelheir.models import Classifier
    from modelheir.models.over_time import OverTime
    from modelheir.plans import Task
    from modelheir.types import Batch, Step

__all__ = ["using_joint"]


def using_joint(name: str, *, fresh: bool = False, pull: bool = False) -> Callable[[Builder], Node]:
    """Return the way.

    Args:
        name: Of the strategy it must equal; one that begins with ``sequential`` goes step by step.
        fresh: Whether the newest copies begin as drawn.
        pull: Whether they are pulled to the copies before them (L2), at each strength that is tried; they begin as
            drawn where the settings say so.
    """

    def way(build: Builder) -> Node:
        _network(build, 2)  # refuses a network that has no layers to copy, before anything is trained
        drawn = fresh or (pull and build.tuning.start_anew)
        rates, strengths = (1.0,) if drawn else build.tuning.rates, build.tuning.pulls if pull else (0.0,)
        settings = [{"rate": rate, "pull": strength} for rate, strength in itertools.product(rates, strengths)]
        step_by_step = name.startswith("sequential")
        source = [0] if step_by_step else range(build.newest)
        node = build.train("step_1" if step_by_step else "history", source, select=source)
        numbers = range(1, len(build.history)) if step_by_step else [build.newest]
        for place, number in enumerate(numbers, 1):
            prepare = functools.partial(_training, build, place, number, node, drawn)
            before, node = node, build.tune(f"{name}_using_joint_{number + 1}", settings, prepare)
            build.before[node[0]] = number, before
        return _published(build, f"{name}_using_joint", node, len(numbers) + 1)

    return way


def _network(build: Builder, steps: int, first: Classifier | None = None) -> OverTime:
    model = first or build.given.model.build()
    return nets.OverTime(model, parse_routes("all", steps=steps, layers=nets.layer_names(model)), OverTimeConfig())


def _training(
    build: Builder, place: int, number: int, before: Node, drawn: bool, done: Done
) -> Callable[[float, float], Task]:
    """Return what trains the copies of step ``number``, the ``place``-th behind the source, at a rate and strength."""
    past, given, loss = build.best(done, before), build.on([number], select=[number]), make_supervised(build.supervised)
    told = {"steps": [number], "from": past.name}

    def make(rate: float, pull: float) -> Task:
        model = _network(build, place + 1, build.model(done, before) if place == 1 else None)
        if place > 1:
            model.load_state_dict({**model.state_dict(), **past.weights("model_over_time")})
        if drawn:
            other = _network(build, 1)
            for name, layer in model.used(place).items():
                layer.load_state_dict(other.first(name).state_dict())
        else:
            model.start_from_previous(place)
        model.freeze_before(place)
        new, old = _copies(model.to(given.data.runtime.device), place), _copies(model, place - 1)

        def objective(batches: Mapping[str, Batch], step: Step) -> LossTerms:
            batch = batches["train"]
            terms = loss(model(batch.inputs), batch, step)
            return LossTerms({**terms, "pull": pull * losses.l2_sp(new, old)} if pull else terms)

        def predict(batch: Batch) -> Any:
            return inference.average_views(model, batch)

        task = given.task({"model_over_time": model}, given.data.stream(), objective, predict=predict)
        fit = dataclasses.replace(given.fit, lr=given.fit.lr * rate)
        about = {"model": model.spec, "routes": model.routes, "config": dataclasses.asdict(model.config)}
        return dataclasses.replace(task, fit=fit, describe={**task.describe, **told, "over_time": about})

    return make


def _copies(model: OverTime, step: int) -> dict[str, Tensor]:
    """Return the parameters that a step uses, without batch norms, by layer and path."""
    return {
        f"{name}.{path}": layer.get_parameter(path)
        for name, layer in model.used(step).items()
        for path in losses.penalised_names(layer)
    }


def _published(build: Builder, name: str, node: Node, steps: int) -> Node:
    """Add the stage whose model is that of the newest step."""
    node = further(build, name, node)

    def make(done: Done, given: Given) -> tuple[Classifier, Mapping[str, Any]]:
        found, model = build.best(done, node), _network(build, steps)
        model.load_state_dict(found.weights("model_over_time"))
        return nets.publish(model), {"from": found.name}

    return build.blend(name, make, before=node)
