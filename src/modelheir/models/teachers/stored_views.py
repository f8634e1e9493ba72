r"""Outputs of every view of an image, computed before: ``teacher(batch)`` picks the rows of the view that is shown.

.. math:: p_c = \begin{cases} q_c & c \in K \\ \frac{1 - \sum_{j \in K} q_j}{C - k} & \text{else} \end{cases}

Where only the ``k`` largest probabilities ``q`` of each view were kept, what they leave is spread evenly over the other
classes ("marginal smoothing"): Shen and Xing, "A Fast Knowledge Distillation Framework for Visual Recognition", 2022,
arXiv:2112.01528, section 3.2. Ours differs: the logarithm of what is left is stored too, as the difference from 1 is
lost in half precision; and logits, not probabilities, are returned, ``log p``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from modelheir.types import Batch, Outputs

if TYPE_CHECKING:
    from modelheir.runs.teacher_cache.reading import TeacherCache

__all__ = ["StoredViews", "marginal_smoothing"]


def marginal_smoothing(classes: Tensor, log_probabilities: Tensor, *, count: int) -> Tensor:
    """Spread what the kept probabilities leave evenly over the other classes.

    Args:
        classes: Kept classes, ``(N, k)`` integers, no class twice in a row; ``k < count``.
        log_probabilities: ``(N, k + 1)``: of the kept classes, and last of all others together, in nats.
        count: Number of classes, ``C``.

    Returns:
        ``(N, C)``: logarithms of probabilities, in the type of ``log_probabilities``.

    Example:
        >>> kept = torch.tensor([[2, 0]]), torch.tensor([[0.6, 0.3, 0.1]]).log()
        >>> marginal_smoothing(*kept, count=4).exp()
        tensor([[0.3000, 0.0500, 0.6000, 0.0500]])
    """
    k = classes.shape[1]
    rest = log_probabilities[:, k:] - math.log(count - k)
    return rest.expand(-1, count).scatter(1, classes.long(), log_probabilities[:, :k])


class StoredViews(nn.Module):
    """What teachers said of each view of each sample; ``Batch.index`` picks the rows, ``Batch.view`` the view."""

    def __init__(
        self,
        cache: TeacherCache,
        rows: np.ndarray,
        *,
        classes: Sequence[str],
        most_bytes: float = math.inf,
    ) -> None:
        """Bring the rows into memory, where they move with the module, or leave them where they lie.

        Args:
            cache: An opened cache.
            rows: Its row of each sample of the stream that will ask, ``(N,)``; -1 for one that no batch shows.
            classes: Names of the ``C`` classes; those of the cache, or what they are called here.
            most_bytes: Largest size that is held; what is larger is read from the mapped files batch by batch, for
                which the host waits for the device.
        """
        super().__init__()
        manifest = cache.manifest
        if len(classes) != len(manifest.classes):
            raise ValueError(f"{len(classes)} class names for {len(manifest.classes)} classes")
        self.classes, self.views, self.feature_size = tuple(classes), manifest.views, manifest.features
        self._names = tuple(cache.shards[0].arrays)
        self._cache, self._rows = cache, rows
        size = sum(one.arrays[name].nbytes / len(one.images) for one in cache.shards[:1] for name in self._names)
        self.held = size * len(rows) <= most_bytes  #: whether the outputs are in memory
        if self.held:
            self._hold(cache, rows)

    def _hold(self, cache: TeacherCache, rows: np.ndarray) -> None:
        for name in self._names:
            values = torch.from_numpy(cache.take(name, np.maximum(rows, 0)))
            if values.is_floating_point() and (rows < 0).any():
                values[:, torch.from_numpy(rows < 0)] = math.nan
            self.register_buffer(name, values, persistent=False)

    @torch.no_grad()
    def forward(self, batch: Batch) -> Outputs:
        """Return logits ``(N, C)`` and features ``(N, D)`` in float32 of the view that the batch shows.

        Raises:
            ValueError: If there is no such view.
        """
        if not 0 <= batch.view < self.views:
            raise ValueError(f"view {batch.view} of {self.views} stored views")
        found = self._picked(batch) if self.held else self._read(batch)
        features = found["features"].float() if self.feature_size else None
        if "logits" in found:
            logits = found["logits"].float()
        else:
            log_probabilities = found["log_probabilities"].float()
            logits = marginal_smoothing(found["top_classes"], log_probabilities, count=len(self.classes))
        return Outputs(logits, logits.new_zeros(len(logits), 0) if features is None else features)

    def _picked(self, batch: Batch) -> dict[str, Tensor]:
        return {name: self.get_buffer(name)[batch.view][batch.index] for name in self._names}

    def _read(self, batch: Batch) -> dict[str, Tensor]:
        device = batch.index.device
        rows = self._rows[batch.index.cpu().numpy()]
        return {
            name: torch.from_numpy(self._cache.take(name, rows, batch.view)).to(device, non_blocking=True)
            for name in self._names
        }
