"""Make of a run's settings what a plan is handed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from modelheir.methods.given import Data, Given, NewModel, Teachers

if TYPE_CHECKING:
    from modelheir.config.run import TrainConfig
    from modelheir.data import ImageSet
    from modelheir.inference import Runtime

__all__ = ["make_given"]


def make_given(config: TrainConfig, splits: Mapping[str, ImageSet], runtime: Runtime, *, asked: str) -> Given:
    """Return the data, the network to train and the old models of a run.

    Args:
        config: The settings, with nothing left open.
        splits: The data that they name.
        runtime: This process and its peers.
        asked: The network as the user named it; "" where it was chosen.
    """
    data = Data(
        splits=splits,
        inputs=config.inputs,
        batch_size=config.fit.batch_size,
        seed=config.seed if config.data_seed is None else config.data_seed,
        runtime=runtime,
    )
    model = NewModel(
        name=config.model,
        asked=asked,
        network=config.network,
        classes=data.classes,
        image_size=data.image_size,
        seed=config.seed if config.init_seed is None else config.init_seed,
        trainable=config.trainable,
    )
    old = Teachers(
        addresses=tuple(config.old),
        data=data,
        precision=config.fit.precision,
        weights=tuple(config.old_weights),
        class_rule=config.classes,
    )
    return Given(data=data, model=model, old=old, fit=config.fit)
