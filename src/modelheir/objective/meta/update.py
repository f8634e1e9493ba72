r"""Meta Co-Training: a classifier a view, each taught by the others, each told what its labels were worth to them.

A step, for every view ``v`` at once:

1. the others say what ``v`` is taught of the unlabelled samples;
2. ``v`` takes a step on it, and its labelled gradient is measured at the new weights;
3. ``v`` takes a second step, on that gradient plus the weighted feedback to it.

With several others a view is taught by the mean of their logits, and it is told the mean of what its share in teaching
was worth to each of them: the gradient of a score of that mean reaches all that made it. Rothenberger and Diochnos,
"Meta Co-Training", 2023, arXiv:2311.18083, after Pham et al., "Meta Pseudo Labels", 2021, arXiv:2003.10580; how what
comes back is computed, and where ours differs, is in :mod:`modelheir.objective.meta.feedback` and
:mod:`modelheir.objective.meta.exchange`. All views live in every process, and each process has its share of a batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from modelheir.checks import InputError
from modelheir.objective.meta.exchange import Exchange
from modelheir.objective.meta.giving import Giving
from modelheir.objective.meta.heads import added, own
from modelheir.objective.meta.known import known_samples
from modelheir.objective.meta.targets import others
from modelheir.types import LossTerms

if TYPE_CHECKING:
    from modelheir.objective.meta.settings import MetaConfig
    from modelheir.types import Batch, Step

__all__ = ["MetaCoTraining"]


class MetaCoTraining:
    """The update of a task whose modules are heads, one a view, each with an optimiser of its name; a state.

    Args:
        heads: Name -> module from vectors ``(N, D_v)`` to logits, or ``Outputs``, in the order of ``Batch.inputs``; no
            two share a parameter.
        config: What is taught and what comes back.
        prior: ``(C,)``, share of each class, adding up to 1.
        labelled: Name of the stream of labelled samples.
        unlabelled: Name of that of unlabelled samples, whose labels are not read.
        where: Dotted key of ``config``, for messages.

    Raises:
        InputError: If there is one view, or neither kind of sample is learnt from.
        ValueError: If two heads share a parameter.
    """

    def __init__(
        self,
        heads: Mapping[str, nn.Module],
        config: MetaConfig,
        *,
        prior: Tensor,
        labelled: str = "train",
        unlabelled: str = "unlabelled",
        where: str = "method",
    ) -> None:
        if len(heads) < 2:
            raise InputError(f"meta co-training needs two views or more, and got {len(heads)}: add a view.")
        if not config.unlabelled_weight and not config.supervised:
            raise InputError(
                f"{where}.unlabelled_weight = 0.0 with {where}.supervised = False leaves nothing to learn from: "
                "set one of the two."
            )
        every = [one for head in heads.values() for one in head.parameters()]
        if len({id(one) for one in every}) < len(every):
            raise ValueError("two heads share a parameter, and each must be moved by its own optimiser alone")
        self.heads, self.config = dict(heads), config
        self._labelled, self._unlabelled, self._epoch = labelled, unlabelled, 0
        giving = Giving(
            self.heads,
            others,
            config.targets,
            students=list(heads),
            prior=prior,
            below=config.collapse_below,
            where=where,
        )
        self.exchange = Exchange(
            giving,
            self.heads,
            config.feedback,
            unlabelled_weight=config.unlabelled_weight,
            evaluate=config.teacher_mode == "evaluation",
            accumulate=config.accumulate,
            previous=config.feedback.previous_params,
        )

    def __call__(self, batches: Mapping[str, Batch], step: Step) -> LossTerms:
        """Do one step; the terms are ``labelled/<view>``, ``taught/<view>`` and ``feedback``, as far as computed."""
        if step.epoch != self._epoch:
            self.check(self._epoch)
            self._epoch = step.epoch
        known = known_samples(batches[self._labelled], self._views(batches[self._labelled]), step)
        if not self.config.unlabelled_weight:
            losses, gradients = self.exchange.labelled(self.heads, known, step)
            self._apply(gradients, step)
            return LossTerms({f"labelled/{name}": one for name, one in losses.items()})
        found = self.exchange(known, self._views(batches[self._unlabelled]), step)
        self._apply(added(found.gradients if self.config.supervised else {}, found.back), step)
        self.exchange.giving.follow()
        terms = {f"taught/{name}": one for name, one in found.taught.items()}
        if self.config.supervised:
            terms |= {f"labelled/{name}": one for name, one in found.labelled.items()}
        return LossTerms(terms if found.told is None else {**terms, "feedback": found.told})

    def check(self, epoch: int) -> None:
        """Look whether a view was taught one class alone, two epochs in a row; done at the start of every later epoch.

        Raises:
            InputError: If so; see :class:`CollapseWatch`.
        """
        self.exchange.giving.watch.check(epoch)

    def _apply(self, gradients: Mapping[Tensor, Tensor], step: Step) -> None:
        """Step each head by its own optimiser, so that each gradient is clipped by itself."""
        for name, head in self.heads.items():
            if some := own(gradients, head):
                step.apply(name, gradients=some)

    def _views(self, batch: Batch) -> dict[str, Tensor]:
        if not isinstance(batch.inputs, tuple) or len(batch.inputs) != len(self.heads):
            count = len(batch.inputs) if isinstance(batch.inputs, tuple) else 1
            raise ValueError(f"a batch has {count} views for {len(self.heads)} heads ({', '.join(self.heads)})")
        return dict(zip(self.heads, batch.inputs, strict=True))

    def state_dict(self) -> dict[str, Tensor]:
        """Return what a resumed run must find again."""
        return {**self.exchange.state_dict(), "epoch": torch.tensor(self._epoch)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take it back."""
        self.exchange.load_state_dict(state)
        self._epoch = int(state["epoch"])
