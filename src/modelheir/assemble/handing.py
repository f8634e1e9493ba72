"""Make of a run's settings what a plan is handed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from modelheir.assemble.caching.used import view_count
from modelheir.assemble.declared import Opened, flag_of
from modelheir.methods.given import Data, Given, NewModel, Teachers

if TYPE_CHECKING:
    from modelheir.config.run import TrainConfig
    from modelheir.inference import Runtime
    from modelheir.methods.declared import ModelUse

__all__ = ["further", "make_given"]


def make_given(
    config: TrainConfig,
    opened: Opened,
    runtime: Runtime,
    *,
    asked: str,
) -> Given:
    """Return the data, the network to train and the models of a run.

    Args:
        config: The settings, with nothing left open.
        opened: What they and the method's own settings name; models are loaded when the method asks for them.
        runtime: This process and its peers.
        asked: The network as the user named it; "" where it was chosen.
    """
    data = Data(
        splits=opened.splits,
        inputs=config.inputs,
        batch_size=config.fit.batch_size,
        seed=config.seed if config.data_seed is None else config.data_seed,
        runtime=runtime,
        view_cycle=view_count([*config.old, *(one for use in opened.models.values() for one in use.addresses)]),
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
    return Given(
        data=data,
        model=model,
        old=old,
        fit=config.fit,
        sources={name: dataclasses.replace(data, splits=own, stores={}) for name, own in opened.sources.items()},
        models={name: further(name, use, old) for name, use in opened.models.items()},
    )


def further(name: str, use: ModelUse, old: Teachers) -> Teachers:
    """Return the models of a method's setting ``name``, read as ``old`` are."""
    return dataclasses.replace(
        old, addresses=use.addresses, weights=(), flag=flag_of(name, use), teaches=use.teaches, classes=use.classes
    )
