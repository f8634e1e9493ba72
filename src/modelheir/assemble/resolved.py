"""Every setting of a run with its value: what was left open is chosen here, once, and ``config.yaml`` keeps it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelheir import data, models
from modelheir.checks import InputError
from modelheir.config import fit
from modelheir.config.mapping import to_mapping
from modelheir.runs.files import write_text

if TYPE_CHECKING:
    from modelheir.config.run import TrainConfig
    from modelheir.data import ImageSet
    from modelheir.runs.folder import RunFolder

__all__ = ["choose", "default_model", "resolved", "write_config"]


def default_model(image_size: int) -> str:
    """Return a sensible network for an image size in pixels: small images keep their resolution through the stem."""
    if image_size <= 16:
        return "convnet"
    return "resnet8" if image_size <= 64 else "tv:resnet18"


def choose(config: TrainConfig, train: ImageSet, start: str = "") -> TrainConfig:
    """Return the settings with image size, augmentation, network, batch size, rate and decay chosen where left open.

    Settings that are all given come back as they are.

    Args:
        config: The settings as given.
        train: The training images; they decide for every split.
        start: Address of the weights that training begins from; "" where it begins from the network as built.
    """
    inputs = data.resolve(config.inputs, train)
    model = config.model or (_network(start) if start else "") or default_model(inputs.image_size)
    chosen = fit.choose(
        config.fit, images=len(train), small=model in models.SMALL, trained=bool(start) or config.network.pretrained
    )
    return dataclasses.replace(config, inputs=inputs, model=model, fit=chosen)


def _network(address: str) -> str:
    """Return the name of a trained model's network, "" where it has none."""
    try:
        return str(models.load(address).spec["name"])
    except InputError:  # the method loads it too, and says what is wrong in its own words
        return ""


def resolved(method: str, config: TrainConfig, settings: Any, *, every: bool = False) -> dict[str, Any]:
    """Return the settings that a run reads, or ``every`` one, as plain values in the shape that ``--config`` reads."""
    return {"train": method, **to_mapping(config, every=every), "method": to_mapping(settings, every=every)}


def write_config(folder: RunFolder, settings: Mapping[str, Any]) -> None:
    """Write what :func:`resolved` returned; training from this file repeats the run."""
    import yaml

    write_text(folder.config, yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True))
