"""The plain stage: a model trained on labels alone, for methods that need a member, or a model without a teacher."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelheir.objective.supervised import SupervisedConfig, make_supervised
from modelheir.plans import Stage, Task
from modelheir.types import LossTerms, StageResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from modelheir.methods.given.given import Given
    from modelheir.models import Classifier
    from modelheir.types import Batch, Step

__all__ = ["plain_stage"]


def plain_stage(
    name: str,
    given: Given,
    supervised: SupervisedConfig,
    *,
    start: Callable[[], Classifier] | None = None,
    extra: Callable[[], Mapping[str, Tensor] | None] | None = None,
) -> Stage:
    """Return a stage of plain training.

    Args:
        name: Of the stage.
        given: Data, network and settings.
        supervised: The loss against labels.
        start: Makes the model to train; ``None`` builds it anew.
        extra: Reads what the stream carries beside each image, its likelihood; ``None`` is nothing.
    """

    def prepare(done: Mapping[str, StageResult]) -> Task:
        model = given.model.build() if start is None else start()
        loss = make_supervised(supervised)

        def objective(batches: Mapping[str, Batch], step: Step) -> LossTerms:
            batch = batches["train"]
            return LossTerms(loss(model(batch.inputs), batch, step))

        return given.task(model, given.data.stream(extra=extra() if extra else None), objective)

    return Stage(name, prepare)
