r"""MultiMatch: of three heads (or views), each is taught by the other two, where their margins have lasted.

.. math:: A_{nc} \leftarrow \frac{\delta}{1 + t} \big(z_{nc} - \max_{k \ne c} z_{nk}\big)
          + \Big(1 - \frac{\delta}{1 + t}\Big) A_{nc}

is a head's average pseudo-margin of sample ``n`` in epoch ``t``. The two teachers' classes each pass where their margin
is at least a cutoff: the 5 % quantile of both teachers' margins of that class over all samples that both give it, not
below 0, and 0 where there is none. If both pass and agree, the class is taught with weight 1; if exactly one passes,
its class with weight 3; else nothing. Sirbu et al., "MultiMatch", 2025, arXiv:2506.07801, on the margins of Sosea and
Caragea, "MarginMatch", 2023, arXiv:2308.09037; epochs, cutoffs and weights as in its public code. There the search for
cutoffs ends at the first class without a sample; here such a class alone has cutoff 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.gather import Gather
from modelheir.losses.precision import full_precision
from modelheir.objective.thresholds.pseudo_labels import Lesson, Threshold

__all__ = ["MultiMatch"]

_TEACHERS = ((1, 2), (0, 2), (0, 1))  #: of each head


class MultiMatch:
    """Keeps three heads' margins of every sample: ``3 * samples * classes`` numbers.

    Args:
        samples: Rows of the stream without labels, ``>= 1``.
        classes: ``C``, ``>= 2``.
        smoothness: ``delta``, above 0 and at most 1: share of the present margin in the first epoch.
        quantile: Of the margins, 0 to 1; higher teaches less.
        alone: Weight where one teacher passes, ``>= 0``.
        thresholds: One a head, whose larger weight of the two teachers multiplies (the paper has three of
            :class:`FreeMatch`); ``()`` is none.
        device: Where batches live.
    """

    def __init__(
        self,
        samples: int,
        classes: int,
        *,
        smoothness: float = 0.997,
        quantile: float = 0.05,
        alone: float = 3.0,
        thresholds: Sequence[Threshold] = (),
        device: torch.device | str | None = None,
    ) -> None:
        checks.at_least(1, samples=samples)
        checks.at_least(2, classes=classes)
        checks.above(0, smoothness=smoothness)
        checks.in_range(0, 1, smoothness=smoothness, quantile=quantile)
        checks.at_least(0, alone=alone)
        if len(thresholds) not in (0, 3):
            raise ValueError(f"thresholds must be three, one a head, or none, got {len(thresholds)}")
        self.smoothness, self.quantile, self.alone = smoothness, quantile, alone
        self.thresholds = tuple(thresholds)
        self.margins = torch.zeros(3, samples, classes, device=device)  #: ``A``
        self.labels = torch.full((3, samples), -1, dtype=torch.int64, device=device)  #: last classes; -1: never seen
        self.cutoffs = torch.zeros(3, classes, device=device)  #: of the two teachers of each head
        self.epoch, self.round = -1, -1  #: the last one seen, and how many before it were

    @torch.no_grad()
    def weights(self, logits: Tensor, index: Tensor, *, epoch: int, gather: Gather | None = None) -> Lesson:
        """Count what three heads say, and return what each is taught; nothing in the first epoch.

        Args:
            logits: Of the weak view, ``(3, B, C)``. No gradient flows.
            index: The samples' rows, int64 ``(B,)``, each once.
            epoch: Present one; where it is a new one, the cutoffs are taken anew, which waits for the device.
            gather: Over processes, so that all count alike.

        Returns:
            One-hot targets ``(3, B, C)`` and weights ``(3, B)``.

        Raises:
            ValueError: If a shape does not fit.
        """
        if tuple(logits.shape) != (3, len(index), self.cutoffs.shape[1]):
            raise ValueError(
                f"logits must have shape (3, {len(index)}, {self.cutoffs.shape[1]}), got {tuple(logits.shape)}"
            )
        logits = full_precision(logits.detach())
        if epoch != self.epoch:
            if self.epoch >= 0:
                self._cut()
            self.epoch, self.round = epoch, self.round + 1
        rows = logits.transpose(0, 1).contiguous()
        self._count(*(part if gather is None else gather(part) for part in (rows, index)))
        lessons = [self._taught(head, logits.argmax(dim=2), index) for head in range(3)]
        labels, weights = (torch.stack(parts) for parts in zip(*lessons, strict=True))
        if self.thresholds:
            each = zip(self.thresholds, logits, strict=True)
            sure = [one.weights(part.softmax(dim=1), index, gather=gather) for one, part in each]
            weights = weights * torch.stack([torch.maximum(sure[a], sure[b]) for a, b in _TEACHERS])
        targets = torch.zeros_like(logits).scatter_(2, labels[..., None], 1.0)
        return Lesson(targets, weights if self.round else torch.zeros_like(weights))

    def _count(self, rows: Tensor, index: Tensor) -> None:
        """Take the margins of logits ``(B, 3, C)``."""
        logits = rows.transpose(0, 1).to(self.margins.dtype)
        (first, second), labels = logits.topk(2, dim=2).values.unbind(dim=2), logits.argmax(dim=2)
        best = torch.zeros_like(logits, dtype=torch.bool).scatter_(2, labels[..., None], True)
        margins = logits - torch.where(best, second[..., None], first[..., None])
        self.margins[:, index] += self.smoothness / (1 + self.round) * (margins - self.margins[:, index])
        self.labels[:, index] = labels

    def _taught(self, head: int, chosen: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return the label and the weight of each sample for one head."""
        (a, one), (b, other) = ((teacher, chosen[teacher]) for teacher in _TEACHERS[head])
        passes = self.margins[a, index, one] >= self.cutoffs[head, one]
        also = self.margins[b, index, other] >= self.cutoffs[head, other]
        both = (passes & also & (one == other)).to(self.margins.dtype)
        return torch.where(passes, one, other), both + self.alone * (passes ^ also)

    def _cut(self) -> None:
        """Take the cutoffs from what is known of all samples."""
        for head, (a, b) in enumerate(_TEACHERS):
            for label in range(self.cutoffs.shape[1]):
                said = (self.labels[a] == label) & (self.labels[b] == label)
                margins = torch.cat([self.margins[a, said, label], self.margins[b, said, label]])
                self.cutoffs[head, label] = margins.quantile(self.quantile).clamp_min(0) if len(margins) else 0.0

    def state_dict(self) -> dict[str, Tensor]:
        """Return margins, classes, cutoffs, the epoch, and what the thresholds remember."""
        own = {
            "margins": self.margins,
            "labels": self.labels,
            "cutoffs": self.cutoffs,
            "epoch": torch.tensor(self.epoch),
            "round": torch.tensor(self.round),
        }
        further = {
            f"threshold_{head}.{key}": value
            for head, one in enumerate(self.thresholds)
            for key, value in one.state_dict().items()
        }
        return {**own, **further}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take it back."""
        checks.same_shape(saved=state["margins"], margins=self.margins)
        for name in ("margins", "labels", "cutoffs"):
            getattr(self, name).copy_(state[name])
        self.epoch, self.round = int(state["epoch"]), int(state["round"])
        for head, one in enumerate(self.thresholds):
            start = f"threshold_{head}."
            one.load_state_dict({k.removeprefix(start): v for k, v in state.items() if k.startswith(start)})
