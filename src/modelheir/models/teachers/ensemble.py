r"""Teachers: frozen models or their stored outputs, one or many, behind one call ``teacher(batch) -> Outputs``.

.. math:: z = \frac{\sum_i w_i z_i}{\sum_i w_i} \qquad \text{or} \qquad
          z = \log \frac{\sum_i w_i\, \mathrm{softmax}(z_i)}{\sum_i w_i}

The first is the reference of Zhao et al., "ELODI: Ensemble Logit Difference Inhibition", 2022, arXiv:2205.06265,
section 4; the second averages probabilities.
"""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Collection, Sequence
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modelheir import checks
from modelheir.checks import InputError
from modelheir.models.teachers.freeze import freeze
from modelheir.types import Batch, Outputs, Predictions

__all__ = ["Ensemble", "StoredOutputs", "Teacher"]

_PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class Teacher(Protocol):
    """What a method needs of a teacher."""

    classes: tuple[str, ...]
    feature_size: int  #: 0 where there are no features

    def __call__(self, batch: Batch) -> Outputs:
        """Return the teacher's logits and features for a batch, without gradients."""
        ...


class Ensemble(nn.Module):
    """One frozen model, or the weighted mean of several, each with its own architecture and image size."""

    def __init__(
        self,
        members: Sequence[Any],
        weights: Sequence[float] | None = None,
        *,
        average: Literal["logits", "probabilities"] = "logits",
        batch_norm: Literal["eval", "batch"] = "eval",
        precision: Literal["fp32", "bf16", "fp16"] = "fp32",
    ) -> None:
        """Freeze the members, in place, and join them.

        Args:
            members: Classifiers with the same classes in the same order.
            weights: One a member, ``>= 0``, not all zero; ``None`` is all equal. They are divided by their sum.
            average: Logits, or probabilities (then the logits are the logarithm of the mean probabilities).
            batch_norm: ``eval`` uses the stored statistics, ``batch`` those of each batch; neither moves them.
            precision: Of the forward pass; outputs are float32.

        Raises:
            InputError: If classes differ, or weights do not fit.
        """
        super().__init__()
        checks.one_of(("logits", "probabilities"), average=average)
        checks.one_of(("eval", "batch"), batch_norm=batch_norm)
        checks.one_of(_PRECISIONS, precision=precision)
        if not members:
            raise InputError("a teacher needs at least one model.")
        self.classes = tuple(members[0].classes)
        for number, member in enumerate(members):
            if tuple(member.classes) != self.classes:
                raise InputError(
                    f"teacher {number} knows other classes than teacher 0 ({len(member.classes)} and "
                    f"{len(self.classes)}, or in another order): an ensemble needs one class list."
                )
        given = [1.0] * len(members) if weights is None else [float(weight) for weight in weights]
        if len(given) != len(members):
            raise InputError(f"{len(given)} weights for {len(members)} teachers: give one each.")
        if min(given) < 0 or not sum(given) > 0 or not np.isfinite(given).all():
            raise InputError(f"teacher weights {given} must be >= 0 and finite, and not all zero.")
        self.weights = tuple(weight / sum(given) for weight in given)
        self.average, self.precision = average, precision
        self.members = nn.ModuleList(
            freeze(member) if batch_norm == "eval" else freeze(_batch_statistics(member)) for member in members
        )
        widths = {int(member.feature_size) for member in members}
        self.mixed_features = len(widths) > 1
        self.feature_size = int(members[0].feature_size)
        self.members.training = self.training = False

    def train(self, mode: bool = True) -> Ensemble:
        """Do nothing: a teacher stays in evaluation mode."""
        self.training = False
        return self

    @torch.no_grad()
    def forward(self, batch: Batch) -> Outputs:
        """Return the mean logits ``(N, C)``, and features ``(N, D)``.

        Features are averaged with the same weights where all members have the same width; otherwise they are the
        first member's.

        Raises:
            ValueError: If the batch holds several views.
        """
        images = batch.inputs
        if not isinstance(images, Tensor):
            raise ValueError("a teacher reads one view of each image, and this batch holds several")
        logits, features = None, None
        for member, weight in zip(self.members, self.weights, strict=True):
            if weight == 0 and features is not None:
                continue
            with self._autocast(images):
                found: Outputs = member(_sized(images, member.spec["image_size"]))  # type: ignore[index]
            z = found.logits.float()
            if self.average == "logits":
                logits = weight * z if logits is None else logits + weight * z
            else:  # in logarithms, where a small probability does not vanish
                part = z.log_softmax(dim=1) + (math.log(weight) if weight > 0 else -math.inf)
                logits = part if logits is None else torch.logaddexp(logits, part)
            if features is None:
                features = found.features.float() * (1 if self.mixed_features else weight)
            elif not self.mixed_features:
                features = features + weight * found.features.float()
        assert logits is not None
        assert features is not None
        return Outputs(logits, features)

    def _autocast(self, images: Tensor) -> contextlib.AbstractContextManager[Any]:
        kind = _PRECISIONS[self.precision]
        return contextlib.nullcontext() if kind is None else torch.autocast(images.device.type, dtype=kind)


class StoredOutputs(nn.Module):
    """Outputs that were computed before, one row a sample; ``Batch.index`` picks the rows."""

    logits: Tensor
    features: Tensor

    def __init__(
        self,
        ids: np.ndarray,
        logits: Tensor,
        features: Tensor | None = None,
        *,
        classes: Sequence[str],
    ) -> None:
        """Keep the outputs.

        Args:
            ids: Sample ids, ``(N,)``, in the order of the stream that will ask.
            logits: ``(N, C)``.
            features: ``(N, D)``; without, the outputs' features have width 0.
            classes: Names of the ``C`` columns.
        """
        super().__init__()
        checks.two_dimensional(logits=logits)
        checks.same_length(ids=ids, logits=logits)
        if len(classes) != logits.shape[1]:
            raise ValueError(f"{len(classes)} class names for {logits.shape[1]} logits")
        self.ids, self.classes = ids, tuple(classes)
        features = logits.new_zeros(len(logits), 0) if features is None else features
        checks.same_length(logits=logits, features=features)
        self.feature_size = int(features.shape[1])
        self.register_buffer("logits", logits.detach(), persistent=False)
        self.register_buffer("features", features.detach(), persistent=False)

    @classmethod
    def from_predictions(
        cls, predictions: Predictions, stream_ids: np.ndarray, *, unseen: Collection[str] = ()
    ) -> StoredOutputs:
        """Arrange predictions in the order of a stream's ``ids``, matched by sample id.

        Args:
            predictions: With logits, or with probabilities (whose logarithm is taken).
            stream_ids: Sample ids that must all be there; further ones are left out.
            unseen: Those of ``stream_ids`` that no batch shows, and that may be missing; their rows are NaN then.

        Raises:
            InputError: If ids are missing or repeated, or the predictions hold neither logits nor probabilities.
        """
        known = {str(name): row for row, name in enumerate(predictions.sample_id)}
        if len(known) != len(predictions.sample_id):
            raise InputError(f"stored outputs name {len(predictions.sample_id) - len(known)} samples more than once.")
        missing = [str(name) for name in stream_ids if str(name) not in known and name not in unseen]
        if missing:
            raise InputError(
                f"stored outputs lack {len(missing)} of {len(stream_ids)} samples ({', '.join(missing[:5])}"
                f"{', ...' if len(missing) > 5 else ''}): predict this split with the old model first."
            )
        rows = np.array([known.get(str(name), -1) for name in stream_ids], dtype=np.int64)
        if predictions.logits is not None:
            values = predictions.logits[rows]
        elif predictions.probabilities is not None:
            probabilities = predictions.probabilities[rows]
            values = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
        else:
            raise InputError("stored outputs hold neither logits nor probabilities, which a teacher needs.")
        features = None if predictions.features is None else predictions.features[rows]
        for part in (values,) if features is None else (values, features):
            part[rows < 0] = np.nan
        classes = predictions.classes or tuple(str(number) for number in range(values.shape[1]))
        return cls(
            np.asarray(stream_ids),
            torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)),
            None if features is None else torch.from_numpy(np.ascontiguousarray(features, dtype=np.float32)),
            classes=classes,
        )

    def forward(self, batch: Batch) -> Outputs:
        """Return the stored rows of the batch's samples, whatever its augmentation."""
        rows = batch.index.to(self.logits.device)
        return Outputs(self.logits[rows], self.features[rows])


def _sized(images: Tensor, size: int) -> Tensor:
    """Resize to the size that a member was made for; 0 is unknown and changes nothing."""
    if not size or tuple(images.shape[-2:]) == (size, size):
        return images
    return F.interpolate(images, size=(size, size), mode="bilinear", antialias=True)


def _batch_statistics(model: nn.Module) -> nn.Module:
    """Return a copy that shares the weights and has no stored batch statistics."""
    shared: dict[int, Any] = {id(parameter): parameter for parameter in model.parameters()}
    twin = copy.deepcopy(model, shared)
    for module in twin.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return twin
