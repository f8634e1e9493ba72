"""What a run says before it trains: how good the old model is here, and what will be trained on what."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from modelheir.assemble.caching.used import cache_lines
from modelheir.checks import InputError
from modelheir.config.fit import decay
from modelheir.plans import Grid

if TYPE_CHECKING:
    from modelheir.config.fit import FitConfig
    from modelheir.methods.given import Given, Teachers
    from modelheir.plans import Plan, Stage, Task
    from modelheir.types import StageResult

    Say = Callable[[str], None]

__all__ = ["announced", "check_teacher"]


def check_teacher(old: Teachers, say: Say, *, allow_weak: bool = False) -> None:
    """Say how often the old model is right on the selection split; stop before training if that is only chance.

    Args:
        old: Old models, or others that teach.
        say: Takes the line.
        allow_weak: Go on whatever the accuracy is.

    Raises:
        InputError: If the old model knows nothing of this data, or does not fit it.
    """
    from modelheir.methods.given.stored import is_cache, is_predictions
    from modelheir.models import is_informative

    if any(map(is_cache, old.addresses)):
        for line in cache_lines(old):
            say(line)
        return
    stream, names = old.data.stream("val", train=False), f"{old.flag} {', '.join(old.addresses)}"
    stored = all(is_predictions(spec) for spec in old.addresses)
    if stored and not old.data.fixed_view:
        say(
            f"{names}: stored predictions are of one view of each image, and the new model sees augmented images: the "
            "models themselves, or a cache of views (modelheir cache write --views 8), teach better (Beyer et al., "
            "2021, arXiv:2106.05237)"
        )
    try:
        teacher = old.teacher(stream)
    except InputError:
        if not stored:
            raise
        # stored outputs need not cover the selection split; the method checks the rows it uses
        say(f"{names}: no predictions of the whole selection split, so its accuracy there is unknown")
        return
    ok, accuracy = is_informative(old.predict(teacher, stream))
    if not ok and not allow_weak:
        raise InputError(
            f"{names} is right on {accuracy:.1%} of the selection split, no better than chance (naming its "
            "largest class): is it the right model, with the right classes and preprocessing? --allow_weak_teacher "
            "goes on anyway."
        )
    right = "unknown, no image has a label" if math.isnan(accuracy) else f"{accuracy:.2%} of {len(stream.ids):,} images"
    say(f"{names}: accuracy on the selection split {right}")


def announced(plan: Plan, given: Given, source: str, say: Say) -> Plan:
    """Return the plan; the first of its stages that is trained now says network, data and device, and the recipe.

    A stage with settings or images of its own says these as it begins.

    Args:
        plan: The stages of a method, or the function that yields them.
        given: Data and settings of the run.
        source: The data source as the user named it.
        say: Takes a line at a time.
    """
    said = ""

    def wrapped(stage: Stage) -> Stage:
        def prepare(done: Mapping[str, StageResult]) -> Task | Grid | None:
            nonlocal said
            task = stage.prepare(done)
            if task is None:
                return None
            made = task
            if isinstance(task, Grid):
                say(f"{stage.name}: {len(task.settings)} settings")
                task = task.make_task(task.settings[0])
            images = _images(task, given)
            if not said:
                say(_line(task, given, source, images))
                say(_recipe(given, (task.fit or given.fit) if task.streams else None))
                if "taught" in task.describe:
                    say(_taught(task.describe["taught"]))
            elif task.streams and (task.fit is not None or images != said):
                say(f"{stage.name}: {images}; {_course(task.fit or given.fit)}")
            said = images if task.streams else said or "nothing yet"
            return made

        return dataclasses.replace(stage, prepare=prepare)

    if callable(plan):
        return lambda done: map(wrapped, plan(done))
    return [wrapped(stage) for stage in plan]


def _images(task: Task, given: Given) -> str:
    """Say how many images a stage trains on, of what size, and how many of them have no label that it sees."""
    stream = next(iter(task.streams.values()), None)
    labels = given.data.splits["train"].labels if stream is None else stream.labels
    bare = int((labels < 0).sum())
    without = "" if not bare else (" without labels" if bare == len(labels) else f" ({bare:,} without labels)")
    return f"{len(labels):,} images{without}"


def _line(task: Task, given: Given, source: str, images: str) -> str:
    network = task.describe.get("model", {}).get("name", given.model.name)
    modules = [task.modules[task.publish]] if task.publish in task.modules else task.modules.values()
    held = [parameter for module in modules for parameter in module.parameters()]
    count, moving = (sum(one.numel() for one in some) for some in (held, (one for one in held if one.requires_grad)))
    trained = f", {_short(moving)} of them trained" if moving < count else ""
    data, runtime = given.data, given.data.runtime
    where = str(runtime.device) + (f" on {runtime.world} processes" if runtime.world > 1 else "")
    return (
        f"{network} ({_short(count)} parameters{trained}), {data.image_size} px, {images}, "
        f"{len(data.classes):,} classes, {source}, {where}"
    )


def _recipe(given: Given, fit: FitConfig | None) -> str:
    """Say how the images are changed and, by ``fit``, the network is trained, whether it was given or chosen."""
    inputs = given.data.inputs
    pad = f" (by up to {inputs.crop_pad} px)" if inputs.augment in ("crop", "crop_flip") else ""
    mirrored = "mirrored" if inputs.mirror else "not mirrored"
    return f"augmentation {inputs.augment}{pad}, {mirrored}" + (f"; {_course(fit)}" if fit else "")


def _taught(told: Mapping[str, Any]) -> str:
    """Say whom a student learns from and by which losses, with all weights.

    >>> _taught({"teachers": [["run:a", 0.75], ["run:b", 0.25]], "losses": {"dist": 2.0, "labels": 1.0}})
    'learns from run:a (share 0.75) and run:b (share 0.25) by dist (weight 2), labels (weight 1)'
    """
    teachers = told["teachers"]
    alone = len(teachers) == 1
    who = " and ".join(address if alone else f"{address} (share {share:.3g})" for address, share in teachers)
    losses = ", ".join(f"{name} (weight {weight:g})" for name, weight in told["losses"].items())
    return f"learns from {who} by {losses}"


def _course(fit: FitConfig) -> str:
    """Say how the weights move, and for how long."""
    from modelheir.engine.schedules import peak_rate, rising_epochs

    apart = fit.head_multiplier not in (0, 1)
    head = f" (of the classifier {peak_rate(fit) * fit.head_multiplier:g})" if apart else ""
    rise = f", rising for {rising_epochs(fit):g}" if rising_epochs(fit) else ""
    return (
        f"{fit.optimizer}, batches of {fit.batch_size}, learning rate {peak_rate(fit):g}{head}, {fit.schedule} over "
        f"{fit.epochs} epoch{'s' * (fit.epochs != 1)}{rise}, weight decay {decay(fit):g}"
    )


def _short(count: int) -> str:
    """Write a number of parameters, such as ``11.2 M``.

    >>> [_short(n) for n in (950, 4_218, 11_181_642)]
    ['950', '4.2 k', '11.2 M']
    """
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return str(count)
