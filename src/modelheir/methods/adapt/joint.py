"""One network over all steps: copies of layers trained together, or added to a frozen past.

Trained together, they have one loss (:mod:`modelheir.methods.adapt.joint_loss`). Where the past is frozen, only the
newest step's copies train, on its images alone. What is published is the newest step's model, an ordinary classifier.
Ji et al., "Seq-to-Final", 2024, arXiv:2407.09642.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from modelheir import inference
from modelheir.config.over_time.copies import OverTimeConfig, parse_routes
from modelheir.config.over_time.layer_recipes import layer_subsets
from modelheir.methods.adapt.further import further
from modelheir.methods.adapt.joint_loss import FisherSteps, JointLoss, decays_by_copy
from modelheir.methods.adapt.matched import accept_matching, matched_images
from modelheir.models import over_time as nets
from modelheir.objective.supervised import make_supervised
from modelheir.types import LossTerms

if TYPE_CHECKING:
    from modelheir.data import ImageSet
    from modelheir.methods.adapt.builder import Builder, Done, Node
    from modelheir.methods.given import Given
    from modelheir.models import Classifier
    from modelheir.models.over_time import OverTime
    from modelheir.plans import Task
    from modelheir.types import Batch, Step

__all__ = ["frozen_past", "joint", "over_time"]

Mode = Literal["separate", "side_tune", "low_rank_adapt"]


def over_time(build: Builder, mode: Mode, steps: int, first: Classifier | None = None, *, layers: str = "") -> OverTime:
    """Build the network over so many steps.

    Args:
        build: Settings, and the network.
        mode: What a copy is.
        steps: How many.
        first: The network of the first step; ``None``: as drawn with the run's seed.
        layers: Those that are new at each step; "": as the settings say.
    """
    config = build.tuning.joint
    model = first or build.given.model.build()
    routes = parse_routes(layers or config.layers, steps=steps, layers=nets.layer_names(model))
    own: dict[str, Any] = {"mode": mode}
    if mode != "separate":
        own |= {"all_layers_efficient": config.all_layers_efficient, "ablate": config.ablate}
    if mode == "side_tune":
        own["side_layer_sizes"] = config.side_layer_sizes
    if mode == "low_rank_adapt":
        own |= {"adapter_rank": config.adapter_rank, "adapter_mode": config.adapter_mode}
    return nets.OverTime(model, routes, OverTimeConfig(**own))


def joint(mode: Mode) -> Callable[[Builder], Node]:
    """Train the copies of all steps at once."""

    def way(build: Builder) -> Node:
        config, name = build.tuning.joint, "joint_model" if mode == "separate" else f"joint_{mode}"
        steps, searched = len(build.history), config.layers == "search"
        names = nets.layer_names(build.given.model.build())
        sets = [",".join(some) for some in layer_subsets(names)] if searched else [config.layers]
        if config.samples != "all":
            accept_matching(build)
        images = functools.cache(lambda: {} if config.samples == "all" else matched_images(build, config.samples))
        node = ()
        for layers in sets:
            model = over_time(build, mode, steps, layers=layers)  # refuses what does not suit, before any training
            kind = config.adjacent if nets.tied_layers(model) else "none"
            weights = config.adjacent_weights if kind != "none" else (0.0,)
            decays = config.efficient_decays if mode != "separate" and not config.ablate else ()
            settings = [{"adjacent_weight": weight} for weight in weights]
            settings = [{**one, "efficient_decay": decay} for one in settings for decay in decays] or settings
            make = functools.partial(_joint_task, build, mode, layers, kind, images)
            ending = f"_{layers.replace(',', '+')}" if searched else ""
            node += build.tune(f"{name}_steps{ending}", settings, lambda done, make=make: make)
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
        layers = found.describe.get("layers", "")
        model = over_time(build, mode, steps, layers=layers)
        model.load_state_dict(found.weights("model_over_time"))
        noted = {key: about for key, about in found.describe.items() if key == "grid" or (key == "layers" and about)}
        return nets.publish(model), {"from": found.name, **noted}

    return build.blend(name, make, before=node)


def _joint_task(
    build: Builder,
    mode: Mode,
    layers: str,
    kind: str,
    images: Callable[[], Mapping[int, ImageSet]],
    adjacent_weight: float,
    efficient_decay: float | None = None,
) -> Task:
    config, steps = build.tuning.joint, range(len(build.history))
    model = over_time(build, mode, len(steps), layers=layers).to(build.given.data.runtime.device)
    loss = JointLoss(model, config, kind=kind, weight=adjacent_weight, supervised=build.supervised)
    task = _task(build, model, build.streams_of(steps, images()), loss, {"steps": list(steps), "layers": layers})
    if groups := decays_by_copy(config, build.given.fit, efficient_decay):
        task = dataclasses.replace(task, parameter_groups=groups)
    if kind == "l2_fisher":
        fisher = FisherSteps(loss)
        task = dataclasses.replace(task, objective=None, update=fisher, state={**task.state, "fisher": fisher})
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
