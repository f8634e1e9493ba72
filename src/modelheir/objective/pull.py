"""A pull to a frozen model: how strong, on which images, by which distance. Shared by every method with a teacher."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

from modelheir import objective
from modelheir.checks import AtLeast, InputError, InRange, OneOf
from modelheir.classes import match_classes
from modelheir.objective.distances import DistanceConfig, label_setting, make_distance

if TYPE_CHECKING:
    from torch import nn

    from modelheir.config.inputs import InputConfig
    from modelheir.models import Classifier
    from modelheir.objective import Term
    from modelheir.types import Batch, Outputs, Step

__all__ = ["Pull", "Towards", "accept_pull", "need_unmixed"]


@dataclasses.dataclass(frozen=True)
class Pull:
    """How strongly, and on which images, the new model is pulled to the old one."""

    weight: Annotated[float, AtLeast(0)] = 1.0  #: lambda, of the distance; 0 is plain training
    mix_alpha: Annotated[float, InRange(-1, 1)] = -1.0  #: share a of (1 - a) task + a distance; -1 adds them instead
    filter: Annotated[str, OneOf("all_pass", "old_correct", "neg_flip", "new_incorrect", "likelihood")] = (
        "old_correct"  #: which images get the further weight
    )
    base: Annotated[float, AtLeast(0)] = 1.0  #: alpha, weight of every image
    focus: Annotated[float, AtLeast(0)] = 5.0  #: beta, further weight of the images that the filter selects
    normalize: bool = True  #: scale the weights to mean 1 over the images of a batch that count
    start_epoch: Annotated[int, AtLeast(0)] = 0  #: epochs of plain training before the pull begins

    def unread(self) -> dict[str, str]:
        """Return what is not read with these choices, and why: see :mod:`modelheir.config.unread`."""
        return dict.fromkeys(("base", "focus", "normalize"), "filter = 'all_pass'") if self.filter == "all_pass" else {}

    @property
    def share(self) -> float | None:
        """``mix_alpha`` as the objective takes it: ``None`` adds."""
        return None if self.mix_alpha < 0 else self.mix_alpha

    def on(self, step: Step) -> bool:
        """Tell whether there is a pull and it has begun."""
        return self.weight > 0 and step.epoch >= self.start_epoch


def need_unmixed(inputs: InputConfig, setting: str, *, instead: str = "") -> None:
    """Refuse mixup and cutmix for the sake of ``setting``, such as ``method.scheme = 'muscle'``.

    Raises:
        InputError: If images are mixed; ``instead`` says what else could be set.
    """
    if inputs.mixup or inputs.cutmix:
        raise InputError(
            f"{setting} needs unmixed images with one label each: set inputs.mixup and inputs.cutmix to 0{instead}."
        )


def accept_pull(inputs: InputConfig, pull: Pull, distance: DistanceConfig, *, name: str = "") -> None:
    """Refuse mixed images where the filter or the distance of a pull, if it is on, needs one label an image.

    Args:
        inputs: Whether images are mixed.
        pull: Strength and filter.
        distance: Which distance, with its settings.
        name: Prefix of the two in the method's settings.

    Raises:
        InputError: Names the setting.
    """
    if pull.weight == 0:
        return
    if pull.filter != "all_pass":
        need_unmixed(
            inputs, f"method.{name}pull.filter = {pull.filter!r}", instead=f", or method.{name}pull.filter to all_pass"
        )
    if found := label_setting(distance):
        need_unmixed(inputs, f"method.{name}distance.{found}", instead=", or choose a distance without labels")


class Towards:
    """The pull of a model in training towards one frozen teacher, ready for batches.

    Args:
        teacher: Called with a batch, returns ``Outputs``; has ``classes`` and ``feature_size``.
        model: The student.
        pull: Strength and filter.
        distance: Which distance, with its settings.
        seed: Of a random projection.
        name: Told apart from other teachers in references and modules by this prefix.
    """

    def __init__(
        self, teacher: Any, model: Classifier, pull: Pull, distance: DistanceConfig, *, seed: int, name: str = ""
    ) -> None:
        self.teacher, self.pull = teacher, pull
        match = match_classes(model.classes, teacher.classes, names=("the new model", "the old model"))
        self.classes = objective.ClassMap(match)
        self.distance, modules = make_distance(
            distance,
            classes=len(self.classes.new_index),
            new_features=model.feature_size,
            old_features=teacher.feature_size,
            seed=seed,
        )
        self.modules: dict[str, nn.Module] = {f"{name}{key}": module for key, module in modules.items()}
        self.references: dict[str, nn.Module] = {f"{name}teacher": teacher, f"{name}classes": self.classes}

    def target(self, batch: Batch, step: Step) -> Outputs | None:
        """Run the teacher, unless the pull is off or has not begun."""
        return self.teacher(batch) if self.pull.on(step) else None

    def term(self, new: Outputs, old: Outputs, batch: Batch, step: Step) -> Term:
        """Return the filtered distance over the classes that both models know, image by image."""
        pull, mixed = self.pull, batch.targets is not None
        shared = self.classes(new.logits, old.logits, batch.labels)
        labels = shared.labels.new_full(shared.labels.shape, -1) if mixed else shared.labels
        values = self.distance(new._replace(logits=shared.new), old._replace(logits=shared.old), labels, step)
        mask = shared.mask | (batch.labels < 0) | mixed
        weights = objective.sample_weights(
            pull.filter,
            shared.new.detach(),
            shared.old,
            labels,
            base=pull.base,
            scale=pull.focus,
            normalize=pull.normalize and pull.filter != "all_pass",
            likelihoods=batch.extra.get("likelihood"),
            mask=mask,
            gather=step.gather,
        )
        return objective.Term(values, loss_weight=pull.weight, weights=weights, mask=mask)
