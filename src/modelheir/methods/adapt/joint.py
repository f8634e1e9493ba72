r"""One network over all steps: copies of layers trained together, or added to a frozen past.

.. math:: L = \frac1S \sum_t a_t R_t(\theta_t) + \mu \sum_{t < S - 1} D(\theta_t, \theta_{t+1}), \qquad
          a_t = 1,\ a_{S-1} = \alpha

``R`` are the mean losses of the steps' batches, which share ``fit.batch_size`` evenly, and ``D`` is the distance
between consecutive copies (:func:`modelheir.models.over_time.distances`). Ji et al., "Seq-to-Final", 2024,
arXiv:2407.09642. Where the past is frozen, only the newest step's copies train, on its images alone. What is published
is the newest step's model, an ordinary classifier.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from modelheir import inference, losses
from modelheir.config.over_time.copies import OverTimeConfig, parse_routes
from modelheir.methods.adapt.further import further
from modelheir.models import over_time as nets
from modelheir.objective.supervised import make_supervised
from modelheir.objective.together import NamedStep
from modelheir.types import LossTerms

if TYPE_CHECKING:
    from modelheir.methods.adapt.builder import Builder, Done, Node
    from modelheir.methods.given import Given
    from modelheir.models import Classifier
    from modelheir.models.over_time import OverTime
    from modelheir.plans import Task
    from modelheir.types import Batch, Step

__all__ = ["frozen_past", "joint", "over_time"]

Mode = Literal["separate", "side_tune", "low_rank_adapt"]


def over_time(build: Builder, mode: Mode, steps: int, first: Classifier | None = None) -> OverTime:
    """Build the network over so many steps, whose first is ``first``, else as drawn with the run's seed."""
    config = build.tuning.joint
    model = first or build.given.model.build()
    routes = parse_routes(config.layers, steps=steps, layers=nets.layer_names(model))
    own: dict[str, Any] = {"mode": mode}
    if mode != "separate":
        own["all_layers_efficient"] = config.all_layers_efficient
    if mode == "side_tune":
        own["side_layer_sizes"] = config.side_layer_sizes
    if mode == "low_rank_adapt":
        own |= {"adapter_rank": config.adapter_rank, "adapter_mode": config.adapter_mode}
    return nets.OverTime(model, routes, OverTimeConfig(**own))


def joint(mode: Mode) -> Callable[[Builder], Node]:
    """Train the copies of all steps at once."""

    def way(build: Builder) -> Node:
        steps, config = len(build.history), build.tuning.joint
        name = "joint_model" if mode == "separate" else f"joint_{mode}"
        over_time(build, mode, steps)  # refuses a network that has no layers to copy, before anything is trained
        kind = config.adjacent if mode == "separate" or not config.all_layers_efficient else "none"
        weights = config.adjacent_weights if kind != "none" else (0.0,)
        settings = [{"adjacent_weight": weight} for weight in weights]
        node = build.tune(f"{name}_steps", settings, lambda done: functools.partial(_joint_task, build, mode, kind))
        return _published(build, name, node, mode, steps)

    return way


def frozen_past(mode: Mode, *, sequential: bool = False) -> Callable[[Builder], Node]:
    """Add side modules or changes of low rank to a frozen past: to a network of all of it, or step after step."""

    def way(build: Builder) -> Node:
        name = f"{'sequential' if sequential else 'erm'}_{mode}"
        over_time(build, mode, 2)
        if not sequential:
            past = build.train("history", range(build.newest), select=range(build.newest))
            make = functools.partial(_frozen_task, build, mode, 2, build.newest, past, first=True)
            node = (build.add(f"{name}_copies{build.suffix}", make),)
            build.before[node[0]] = build.newest, past
            return _published(build, name, node, mode, 2)
        node = build.train("step_1", [0], select=[0])
        for number in range(1, len(build.history)):
            make = functools.partial(_frozen_task, build, mode, number + 1, number, node, first=number == 1)
            stage = build.add(f"{name}_{number + 1}{build.suffix}", make)
            build.before[stage] = number, node
            node = (stage,)
        return _published(build, name, node, mode, len(build.history))

    return way


def _published(build: Builder, name: str, node: Node, mode: Mode, steps: int) -> Node:
    """Add the stage whose model is that of the newest step."""
    node = further(build, name, node)

    def make(done: Done, given: Given) -> tuple[Classifier, Mapping[str, Any]]:
        found = build.best(done, node)
        model = over_time(build, mode, steps)
        model.load_state_dict(found.weights("model_over_time"))
        grid = {name: about for name, about in found.describe.items() if name == "grid"}
        return nets.publish(model), {"from": found.name, **grid}

    return build.blend(name, make, before=node)


def _joint_task(build: Builder, mode: Mode, kind: Any, adjacent_weight: float) -> Task:
    steps = range(len(build.history))
    model = over_time(build, mode, len(steps)).to(build.given.data.runtime.device)
    loss = make_supervised(build.supervised)
    shares = losses.last_step_weights(len(steps), last=build.tuning.joint.newest_weight)
    streams = build.streams_of(steps)
    names = [f"step_{number + 1}" for number in steps]

    def objective(batches: Mapping[str, Batch], step: Step) -> LossTerms:
        import torch

        risks = []
        for number, name in enumerate(names):
            named: Any = NamedStep(step, name)
            terms = loss(model(batches[name].inputs, number), batches[name], named)
            risks.append(torch.stack(list(terms.values())).sum())
        found = {"task": losses.joint_risk(risks, shares)}
        if kind != "none":
            apart = nets.distances(model, kind)
            found["adjacent"] = adjacent_weight * torch.stack(list(apart.values())).sum()
        return LossTerms(found)

    task = _task(build, model, streams, objective, {"steps": list(steps)})
    return dataclasses.replace(task, measure=functools.partial(_apart, model))


def _apart(model: OverTime) -> dict[str, float]:
    """Return how far consecutive copies of each layer are apart, the root of the summed squares over steps."""
    squares: dict[str, float] = {}
    for (_, layer), value in nets.distances(model, "l2").items():
        squares[layer] = squares.get(layer, 0.0) + float(value.detach())
    found = {f"change/{layer}": math.sqrt(value) for layer, value in squares.items()}
    return {**found, "change/entire model": math.sqrt(sum(squares.values()))} if found else {}


def _frozen_task(build: Builder, mode: Mode, steps: int, number: int, past: Node, done: Done, *, first: bool) -> Task:
    """Train the copies of one step beside what was trained before it, which is the model of the first step."""
    model = over_time(build, mode, steps, build.model(done, past) if first else None)
    if not first:
        model.load_state_dict({**model.state_dict(), **build.best(done, past).weights("model_over_time")})
    model.start_from_previous(steps - 1)
    model.freeze_before(steps - 1)
    loss = make_supervised(build.supervised)

    def objective(batches: Mapping[str, Batch], step: Step) -> LossTerms:
        batch = batches["train"]
        return LossTerms(loss(model(batch.inputs), batch, step))

    given = build.on([number], select=[number])
    told = {"steps": [number], "from": build.best(done, past).name}
    return _task(build, model, {"train": given.data.stream()}, objective, told, given=given)


def _task(
    build: Builder,
    model: OverTime,
    streams: Mapping[str, Any],
    objective: Any,
    told: Mapping[str, Any],
    *,
    given: Any = None,
) -> Task:
    given = given or build.on([build.newest])
    first = next(iter(streams.values()))

    def predict(batch: Batch) -> Any:
        return inference.average_views(model, batch)

    task = given.task({"model_over_time": model}, first, objective, predict=predict)
    about = {"model": model.spec, "routes": model.routes, "config": dataclasses.asdict(model.config)}
    return dataclasses.replace(task, streams=dict(streams), describe={**task.describe, **told, "over_time": about})
