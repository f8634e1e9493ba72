r"""Meta Pseudo Labels: one view, a teacher that labels and a student that learns from its labels alone.

.. math:: L_T = CE(z_T(x), y) + h\, CE(z_T(u), \hat y) + k\, m(u)\, CE\big(z_T(u + n), \mathrm{softmax}(z_T(u) / T)\big)

The student takes a step on the teacher's labels ``y-hat`` of unlabelled samples, and the teacher descends its labelled
loss, what its labels were worth to the student (:mod:`modelheir.objective.meta.feedback`), and, as in the paper's
experiments, a consistency between two draws of a sample, with ``m`` 1 where the first is sure. Pham et al., "Meta
Pseudo Labels", 2021, arXiv:2003.10580, section 2; Xie et al., "Unsupervised Data Augmentation", 2020,
arXiv:1904.12848, for the last term.

Ours differs: ``h`` is old minus new, as derived, where both public programs use new minus old; the second draw of a
vector is Gaussian noise, and dropout where the teacher has any, as there is no image to augment. A student that is to
be published is tuned on labelled samples afterwards, as in the paper's section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from modelheir.objective.meta.exchange import Exchange
from modelheir.objective.meta.giving import Giving
from modelheir.objective.meta.heads import added, logits_of
from modelheir.objective.meta.known import known_samples, mean_gradients
from modelheir.objective.meta.targets import taught_loss
from modelheir.types import LossTerms

if TYPE_CHECKING:
    from modelheir.objective.meta.settings import MetaPseudoLabelsConfig
    from modelheir.types import Batch, Step

__all__ = ["MetaPseudoLabels", "consistency"]


def consistency(first: Tensor, second: Tensor, *, temperature: float, threshold: float) -> Tensor:
    """Measure how far a second draw of samples is from a sharpened first one that is sure.

    Args:
        first: Logits ``(B, C)`` of the first draw; a constant.
        second: Logits ``(B, C)`` of the second draw; gradients flow here only.
        temperature: Divisor of the first, ``> 0``.
        threshold: Lowest probability of the first's likeliest class, before the division, of a sample that counts.

    Returns:
        ``(B,)``, in nats; 0 where the first is not sure.

    Example:
        >>> consistency(torch.tensor([[9.0, 0.0]]), torch.zeros(1, 2), temperature=0.1, threshold=0.8)
        tensor([0.6931])
    """
    first = first.detach()
    return taught_loss(second, (first / temperature).softmax(dim=1), first.softmax(dim=1).amax(dim=1) >= threshold)


class MetaPseudoLabels:
    """The update of a task with a teacher and a student on the same vectors, each with an optimiser; a state.

    Args:
        teacher: Module from vectors ``(N, D)`` to logits, or ``Outputs``; its module and optimiser are ``teacher``.
        student: The same; ``student``. It sees no label of a person.
        config: What is taught, what comes back, and the teacher's consistency.
        prior: ``(C,)``, share of each class, adding up to 1.
        labelled: Name of the stream of labelled samples.
        unlabelled: Name of that of unlabelled samples, whose labels are not read.
        where: Dotted key of ``config``, for messages.
    """

    def __init__(
        self,
        teacher: nn.Module,
        student: nn.Module,
        config: MetaPseudoLabelsConfig,
        *,
        prior: Tensor,
        labelled: str = "train",
        unlabelled: str = "unlabelled",
        where: str = "method",
    ) -> None:
        self.teacher, self.student, self.config = teacher, student, config
        self._labelled, self._unlabelled, self._epoch = labelled, unlabelled, 0
        giving = Giving(
            {"teacher": teacher},
            lambda said: said,
            config.targets,
            students=["student"],
            prior=prior,
            below=config.collapse_below,
            where=where,
        )
        evaluate = config.teacher_mode == "evaluation"
        self.exchange = Exchange(
            giving, {"student": student}, config.feedback, evaluate=evaluate, accumulate=config.accumulate
        )

    def __call__(self, batches: Mapping[str, Batch], step: Step) -> LossTerms:
        """Do one step; the terms are ``taught``, ``labelled``, ``feedback`` and ``consistency``, as far as computed."""
        if step.epoch != self._epoch:
            self.check(self._epoch)
            self._epoch = step.epoch
        some, samples = _vectors(batches[self._labelled]), _vectors(batches[self._unlabelled])
        known = known_samples(batches[self._labelled], {"teacher": some, "student": some}, step)
        found = self.exchange(known, {"teacher": samples, "student": samples}, step)
        terms = {"taught": found.taught["student"]}
        losses, supervised = self.exchange.labelled({"teacher": self.teacher}, known, step)
        terms["labelled"] = losses["teacher"]
        if found.told is not None:
            terms["feedback"] = found.told
        if self.config.consistency_weight:
            one, consistent = self._consistent(samples, step)
            supervised, terms["consistency"] = added(supervised, consistent), one
        step.apply("teacher", gradients=added(supervised, found.back))
        self.exchange.giving.follow()
        return LossTerms(terms)

    def check(self, epoch: int) -> None:
        """Look whether one class alone was taught, two epochs in a row; done at the start of every later epoch.

        Raises:
            InputError: If so; see :class:`CollapseWatch`.
        """
        self.exchange.giving.watch.check(epoch)

    def _consistent(self, samples: Tensor, step: Step) -> tuple[Tensor, dict[Tensor, Tensor]]:
        """Return the teacher's weighted loss between two draws, and its gradients."""
        config = self.config
        spread = samples.std(dim=0, correction=0)
        drawn = torch.randn(samples.shape, generator=step.device_generator, device=samples.device, dtype=samples.dtype)
        noisy = samples + config.noise * spread * drawn

        def loss(_: str, teacher: nn.Module, rows: slice) -> Tensor:
            with torch.no_grad():
                first = logits_of(teacher(samples[rows]))
            second = logits_of(teacher(noisy[rows]))
            values = consistency(
                first, second, temperature=config.consistency_temperature, threshold=config.consistency_threshold
            )
            return config.consistency_weight * values.mean()

        held = {"teacher": self.teacher}
        values, gradients = mean_gradients(held, loss, len(samples), step, parts=self.config.accumulate)
        return values["teacher"], gradients

    def state_dict(self) -> dict[str, Tensor]:
        """Return what a resumed run must find again."""
        return {**self.exchange.state_dict(), "epoch": torch.tensor(self._epoch)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take it back."""
        self.exchange.load_state_dict(state)
        self._epoch = int(state["epoch"])


def _vectors(batch: Batch) -> Tensor:
    if isinstance(batch.inputs, Tensor):
        return batch.inputs
    raise ValueError(f"meta pseudo labels take one view, and a batch has {len(batch.inputs)}: choose or join them")
