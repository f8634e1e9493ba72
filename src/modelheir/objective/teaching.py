r"""Several losses from a student to a frozen teacher, each with its weight: the objective of distillation.

.. math:: L = \sum_e k_e \overline{\ell_e(\text{student}, \text{teacher})}

Every loss is logged under its name. One loss alone keeps its weight, and all losses count (SSLD's code left a single
entry's weight aside, and the entries after the first component). Losses of maps read parts of both networks by hooks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from modelheir import losses, models, objective
from modelheir.checks import InputError
from modelheir.classes import match_classes, some_names
from modelheir.config.inputs import InputConfig
from modelheir.config.taps import parse_pair
from modelheir.objective.distances import LOSSES, LossesConfig, label_setting, make_loss
from modelheir.objective.pull import need_unmixed

if TYPE_CHECKING:
    from torch import Tensor, nn

    from modelheir.models import Classifier
    from modelheir.types import Batch, Outputs, Step

__all__ = ["Teaching", "accept_losses"]

Layers = Sequence["Tensor"]


def accept_losses(config: LossesConfig, inputs: InputConfig, *, labelled: bool, where: str = "method") -> None:
    """Refuse losses that cannot be computed on this data, and weights that do not fit.

    Args:
        config: The losses.
        inputs: Whether images are mixed.
        labelled: Whether training images have labels.
        where: Dotted key of ``config``.

    Raises:
        InputError: Names the setting.
    """
    if not config.losses:
        raise InputError(f"{where}.losses is empty: name at least one loss, such as kl_distillation.")
    twice = [name for name in config.losses if config.losses.count(name) > 1]
    if twice:
        raise InputError(f"{where}.losses names {twice[0]} more than once: give it once, with the sum of its weights.")
    if config.loss_weights and len(config.loss_weights) != len(config.losses):
        raise InputError(
            f"{where}.loss_weights has {len(config.loss_weights)} values for {len(config.losses)} losses "
            f"({', '.join(config.losses)}): give one each, or none."
        )
    if config.loss_weights and not sum(config.loss_weights):
        raise InputError(f"{where}.loss_weights are all 0: nothing would be learnt from the teacher.")
    if found := label_setting(config):
        need_unmixed(inputs, f"{where}.{found}", instead=", or choose a loss without labels")
        if not labelled:
            raise InputError(f"{where}.{found} needs a label for each image, and these have none.")


class Teaching:
    """The losses of a student towards one frozen teacher, ready for batches.

    Args:
        teacher: Called with a batch, returns ``Outputs``; has ``classes`` and ``feature_size``.
        student: The model in training.
        config: Which losses, with their settings.
        image_size: Pixels a side of a batch.
        seed: Of the weights of losses that have any.
        where: Dotted key of ``config``, for messages.
    """

    def __init__(
        self,
        teacher: Any,
        student: Classifier,
        config: LossesConfig,
        *,
        image_size: int,
        seed: int,
        where: str = "method",
    ) -> None:
        self.teacher, self.student, self.names = teacher, student, config.losses
        self.weights = config.loss_weights or (1.0,) * len(config.losses)
        self.classes = objective.ClassMap(
            match_classes(student.classes, teacher.classes, names=("the student", "the teacher"))
        )
        if config.reads("features") and not teacher.feature_size:
            name = next(name for name in config.losses if LOSSES[name].reads == "features")
            raise InputError(
                f"{where}.losses = {name!r} compares features, and the teacher's stored outputs have none."
            )
        shapes: dict[str, tuple[Any, Any]] = {
            "logits": (len(self.classes.new_index), len(self.classes.old_index)),
            "features": (student.feature_size, teacher.feature_size),
        }
        self.pairs: list[tuple[str, str]] = []  #: taps of student and teacher that belong together
        if config.reads("maps", "layers"):
            self.pairs = _pairs(teacher, student, config.taps, image_size, where)
            inner = teacher.members[0]
            of_student = models.tap_shapes(student, self._paths(0), image_size)
            of_teacher = models.tap_shapes(inner, self._paths(1), inner.image_size or image_size)
            layers = [of_student[new] for new, _ in self.pairs], [of_teacher[old] for _, old in self.pairs]
            shapes |= {"layers": layers, "maps": (layers[0][-1], layers[1][-1])}
            self.taps = models.Taps(student, self._paths(0)), models.Taps(inner, self._paths(1), detach=True)
        made = {
            name: make_loss(name, config, *shapes[LOSSES[name].reads], seed=seed, setting=f"{where}.losses")
            for name in config.losses
        }
        self.losses = {name: loss for name, (loss, _) in made.items()}
        self.modules: dict[str, nn.Module] = {name: module for name, (_, module) in made.items() if module is not None}
        self.references: dict[str, nn.Module] = {"teacher": teacher, "classes": self.classes}

    def need_every_class(self) -> None:
        """Refuse a student with a class that the teacher does not know, which nothing else would teach it.

        Raises:
            InputError: Names such classes.
        """
        lacking = [name for name, new in zip(self.student.classes, self.classes.is_new().tolist(), strict=True) if new]
        if lacking:
            raise InputError(
                f"the teacher does not know {len(lacking)} of the {len(self.student.classes)} classes "
                f"({some_names(lacking, 5)}), and labels are not read: give --method.label_weight 1 or another teacher."
            )

    def target(self, batch: Batch) -> tuple[Outputs, Layers]:
        """Run the teacher: its outputs, and what its taps saw."""
        return self._run(1, lambda: self.teacher(batch))

    def student_outputs(self, batch: Batch) -> tuple[Outputs, Layers]:
        """Run the student: its outputs, and what its taps saw."""
        return self._run(0, lambda: self.student(batch.inputs))

    def _run(self, side: int, call: Callable[[], Outputs]) -> tuple[Outputs, Layers]:
        if not self.pairs:
            return call(), ()
        with self.taps[side].record() as seen:
            said = call()
        return said, tuple(seen[pair[side]] for pair in self.pairs)

    def _paths(self, side: int) -> list[str]:
        return list(dict.fromkeys(pair[side] for pair in self.pairs))

    def terms(
        self, new: tuple[Outputs, Layers], old: tuple[Outputs, Layers], batch: Batch, step: Step
    ) -> dict[str, Tensor]:
        """Return every loss by name, weighted and averaged over the images of all processes.

        Classes that one of the two does not know are left out of what is compared; so are images of such a class.
        """
        (fresh, mine), (said, theirs) = new, old
        shared = self.classes(fresh.logits, said.logits, batch.labels)
        labels = shared.labels.new_full(shared.labels.shape, -1) if batch.targets is not None else shared.labels
        sides: dict[str, tuple[Any, Any]] = {
            "logits": (shared.new, shared.old),
            "features": (fresh.features, said.features),
            "layers": (mine, theirs),
            "maps": (mine[-1], theirs[-1]) if mine else (None, None),
        }
        agree = (shared.new.detach().argmax(1) == shared.old.argmax(1)).float()
        step.observe("train/agreement", agree.mean())
        whole = self.classes.identical or batch.targets is not None
        mask = None if whole else shared.mask | (batch.labels < 0)
        found: dict[str, Tensor] = {}
        for name, weight in zip(self.names, self.weights, strict=True):
            values = self.losses[name](*sides[LOSSES[name].reads], labels, step)
            mean = values.mean() if mask is None else losses.masked_mean(values, mask, gather=step.gather)
            found[name] = weight * mean
        return found


def _pairs(
    teacher: Any, student: Classifier, asked: Sequence[str], image_size: int, where: str
) -> list[tuple[str, str]]:
    """Return the taps of both networks, as asked for or the last map at each of the deepest resolutions of both."""
    if not isinstance(teacher, models.Ensemble) or len(teacher.members) != 1:
        raise InputError(
            f"{where}.losses compare maps inside the networks, which takes one teacher that runs in training: stored "
            "outputs and several teachers have only logits and features."
        )
    if asked:
        return [(str(new), str(old)) for new, old in map(parse_pair, asked)]
    inner: Any = teacher.members[0]
    sides = [models.stage_taps(student, image_size), models.stage_taps(inner, inner.image_size or image_size)]
    count = min(map(len, sides))
    return list(zip(*([path for path, _ in side[-count:]] for side in sides), strict=True))
