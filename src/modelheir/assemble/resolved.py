"""Every setting of a run with its value: what was left open is chosen here, once, and ``config.yaml`` keeps it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modelheir import data, models
from modelheir.checks import InputError
from modelheir.config import fit
from modelheir.config.mapping import to_mapping
from modelheir.config.trainable import parse_trainable
from modelheir.runs.files import write_text

if TYPE_CHECKING:
    from modelheir.config.network import NetworkConfig
    from modelheir.config.run import TrainConfig
    from modelheir.data import ImageSet
    from modelheir.runs.folder import RunFolder

__all__ = ["choose", "default_model", "resolved", "write_config"]


def default_model(image_size: int) -> str:
    """Return a sensible network for an image size in pixels: small images keep their resolution through the stem."""
    if image_size <= 16:
        return "convnet"
    return "resnet8" if image_size <= 64 else "tv:resnet18"


def choose(
    config: TrainConfig,
    train: ImageSet,
    start: str = "",
    draws_head: Callable[[Sequence[str]], bool] = lambda known: False,
) -> TrainConfig:
    """Return the settings with image size, augmentation, network, batch size, rates and decay chosen where left open.

    Settings that are all given come back as they are.

    Args:
        config: The settings as given.
        train: The training images; they decide for every split.
        start: Address of the weights that training begins from; "" where it begins from the network as built.
        draws_head: Those of the data's classes that these weights know, to whether the classifier is drawn anew.
    """
    inputs = data.resolve(config.inputs, train)
    held = _loaded(start) if start else None
    model = config.model or (held.spec["name"] if held else "") or default_model(inputs.image_size)
    trained, pretrained = bool(start) or config.network.pretrained, config.network.pretrained and not start
    known = set(held.classes if held else ()) & set(train.classes)
    new = pretrained and not _published_head(model, len(train.classes), config.network)
    whole = parse_trainable(config.trainable).through != "plane"  # whose stages share the coordinates
    chosen = fit.choose(
        config.fit,
        images=len(train),
        small=model in models.SMALL,
        trained=trained,
        new_head=whole and (new or draws_head(sorted(known))),
    )
    return dataclasses.replace(config, inputs=inputs, model=model, fit=chosen)


def _loaded(address: str) -> models.Classifier | None:
    """Return a trained model, ``None`` where there is none."""
    try:
        return models.load(address)
    except InputError:  # the method loads it too, and says what is wrong in its own words
        return None


def _published_head(name: str, classes: int, network: NetworkConfig) -> bool:
    """Tell whether published weights include the classifier that is built for so many classes."""
    from modelheir.models.bodies import library

    if network.head != "linear" or network.embedding or network.mimo_members > 1 or ":" not in name:
        return False
    try:
        return len(library.published(name).classes) == classes
    except InputError:  # building says what is wrong
        return False


def resolved(method: str, config: TrainConfig, settings: Any, *, every: bool = False) -> dict[str, Any]:
    """Return the settings that a run reads, or ``every`` one, as plain values in the shape that ``--config`` reads."""
    return {"train": method, **to_mapping(config, every=every), "method": to_mapping(settings, every=every)}


def write_config(folder: RunFolder, settings: Mapping[str, Any]) -> None:
    """Write what :func:`resolved` returned; training from this file repeats the run."""
    import yaml

    write_text(folder.config, yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True))
