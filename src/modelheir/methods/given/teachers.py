"""Models that exist already, as a plan is handed them: by address, loaded once, frozen into a teacher of a stream."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from modelheir import inference, models
from modelheir.checks import InputError
from modelheir.classes import BY_NAME
from modelheir.config.teacher import TeacherConfig
from modelheir.methods.given.cached import CachedTeacher, open_teacher
from modelheir.methods.given.stored import is_cache, is_predictions, match_old, read_outputs, stored_outputs

if TYPE_CHECKING:
    from torch import nn

    from modelheir.methods.given.data import Data
    from modelheir.models import Classifier, Ensemble
    from modelheir.types import Predictions, Stream

__all__ = ["Teachers"]

_say = functools.cache(logging.getLogger(__name__).warning)  #: each message once


@dataclasses.dataclass(frozen=True)
class Teachers:
    """Any number of models, or files of what models said, by address."""

    addresses: tuple[str, ...]
    data: Data  #: what they are to teach
    precision: str = "fp32"  #: of their forward passes
    weights: tuple[float, ...] = ()  #: one a model; () is all equal
    class_rule: str = BY_NAME  #: how their classes are matched with the data's
    flag: str = "--old"  #: how the user gave them, for messages
    teaches: bool = True  #: whether it must be better than chance on the selection split
    classes: Literal["shared", "same", "any"] = "shared"  #: see :class:`modelheir.methods.declared.ModelUse`
    policy: TeacherConfig = dataclasses.field(default_factory=TeacherConfig)  #: how they are run

    def __len__(self) -> int:
        return len(self.addresses)

    def one(self, use: str) -> Classifier:
        """Return the only model; ``use`` is what takes exactly one, for the message.

        Raises:
            InputError: If there is another number of models.
        """
        if len(self) != 1:
            raise InputError(f"{use} takes exactly one {self.flag}, got {len(self)}.")
        return self.models[0]

    @functools.cached_property
    def models(self) -> tuple[Classifier, ...]:
        """The models, read from disk once, whatever asks for them; copy one before you train it.

        Classes that are taken in order (``modelheir.classes``) get the data's names, and a line says so.

        Raises:
            InputError: If one of them is a file of predictions, which has no weights, or shares no class with the data.
        """
        for address in self.addresses:
            if is_cache(address):
                raise InputError(
                    f"{self.flag} {address} holds teachers' outputs; this method needs the model itself (run:, file:)."
                )
            if is_predictions(address):
                raise InputError(
                    f"{self.flag} {address} holds predictions; this method needs the model itself (run:, file:)."
                )
        wanted = self.data.classes if self.classes == "same" else None
        found = tuple(models.load(address, classes=wanted) for address in self.addresses)
        for address, model in zip(self.addresses, found, strict=True):
            if self.classes != "shared":
                continue
            said = f"{self.flag} {address}"
            match = match_old(self.data.classes, model.class_list, said, rule=self.class_rule)
            if match.in_order:
                model.rename(match.theirs_together)
                _say(f"{address}: classes by order: {match.in_words()}.")
        return found

    @functools.cached_property
    def cached(self) -> CachedTeacher:
        """The one cache that stands in place of models, opened once.

        Raises:
            InputError: If it is not alone, or does not fit the run: see :mod:`modelheir.methods.given.cached`.
        """
        if len(self) > 1:
            raise InputError(
                f"{self.flag} gives {len(self)} teachers, a cache among them: it holds the mean of its teachers, so "
                "give it alone, or write one of them all."
            )
        (address,) = self.addresses
        return open_teacher(address, self.data, self.policy, weights=self.weights, rule=self.class_rule, flag=self.flag)

    def teacher(self, stream: Stream) -> nn.Module:
        """Return the models as one frozen teacher for the samples of ``stream``.

        Stored predictions stay what they are: outputs of one fixed view. A cache has those of every view that is shown.
        Where training shows fixed views, live models are also run only once a sample.

        Raises:
            InputError: If models and files are mixed, or weights do not fit.
        """
        if any(map(is_cache, self.addresses)):
            images = self.data.splits[stream.split]
            return self.cached.of(images, stream.ids, self.data.inputs)
        stored = [is_predictions(address) for address in self.addresses]
        if any(stored) and not all(stored):
            raise InputError(f"{self.flag} mixes models and files of predictions: store the models' predictions first.")
        weights = self.weights or None
        if weights and len(weights) != len(self):
            raise InputError(f"{self.flag}_weights gives {len(weights)} weights for {len(self)} old models.")
        if all(stored):
            outputs = read_outputs(self.addresses, weights, self.data.classes, rule=self.class_rule, flag=self.flag)
            return self._stored(outputs, stream)
        return self.frozen(self.models, stream, weights=weights)

    def frozen(
        self, members: Sequence[Classifier], stream: Stream, *, weights: Sequence[float] | None = None
    ) -> nn.Module:
        """Freeze models into one teacher; where every epoch shows the same view, run it once and keep the outputs."""
        teacher: Any = self.ensemble(members, weights=weights)
        if not self.data.fixed_view or self.policy.batch_norm == "batch":  # what a batch norm says depends on the batch
            return teacher
        return self._stored(self.predict(teacher, self.data.stream(stream.split, train=False), features=True), stream)

    def ensemble(self, members: Sequence[Classifier], *, weights: Sequence[float] | None = None) -> Ensemble:
        """Freeze models into one teacher that is run, as the policy says."""
        policy: Any = self.policy
        precision: Any = self.precision if policy.precision == "auto" else policy.precision
        return models.Ensemble(
            list(members), weights=weights, average=policy.average, batch_norm=policy.batch_norm, precision=precision
        )

    def predict(self, model: Any, stream: Stream, *, features: bool = False) -> Predictions:
        """Run a model or a teacher over a stream once: each sample once, all processes together."""
        return inference.predict_model(model, stream, self.data.runtime, precision=self.precision, features=features)

    def _stored(self, found: Predictions, stream: Stream) -> nn.Module:
        images, share = self.data.splits[stream.split], self.data.inputs.max_bad_share
        return stored_outputs(found, images, stream.ids, max_bad_share=share)
