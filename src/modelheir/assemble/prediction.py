"""Run a trained model over a split: images as its run read them, logits in the order of the data's classes."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modelheir import data as datasets
from modelheir import inference, models
from modelheir.assemble.crops import CropLogits
from modelheir.assemble.run_settings import own_data, own_inputs
from modelheir.checks import InputError, one_of
from modelheir.classes import BY_NAME, BY_ORDER_ADVICE, match_classes
from modelheir.config.inputs import InputConfig
from modelheir.extras import need_train
from modelheir.metrics.confidence import max_confidence, softmax
from modelheir.metrics.likeliest import likeliest
from modelheir.metrics.unknown_classes import GAP
from modelheir.runs.crops import write_crops

if TYPE_CHECKING:
    from torch import Tensor

    from modelheir.data import ImageSet
    from modelheir.models import Classifier
    from modelheir.types import Predictions

__all__ = ["predict", "predict_images", "with_names"]

_say = functools.cache(logging.getLogger(__name__).warning)  #: each message once


def predict(
    model: str | Classifier,
    data: str | None = None,
    *,
    split: str = "auto",
    classes: str = BY_NAME,
    inputs: InputConfig | None = None,
    device: str = "auto",
    batch_size: int = 256,
    precision: str = "fp32",
    features: bool = False,
    ten_crop: bool = False,
    crops: Path | str | None = None,
    top_k: int = 0,
    advance: Callable[[int], None] | None = None,
) -> Predictions:
    """Run a model over one split, each sample once.

    Args:
        model: A run folder, ``file:``, ``tv:``, ``timm:`` or ``pkg:`` name, or a loaded classifier.
        data: A data source, such as ``folder:DIR``; ``None`` takes the own data of a run.
        split: ``train``, ``val``, ``test`` or ``unlabelled``; ``auto`` is the data's only split, else ``test``.
        classes: How classes of model and data are matched: ``by-name``, or ``by-order`` where their names differ.
        inputs: How images are read; ``None`` takes the run's own settings where the model is a run, else defaults. An
            ``image_size`` of 0 is the size that the model was made for, where it says one.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        batch_size: Images a forward pass.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        features: Keep the penultimate features too.
        ten_crop: Average the logits over ten crops (corners and centre, and their mirror images).
        crops: With ``ten_crop``, an ``.npz`` file for the logits of every crop, ``(N, 10, C)``.
        top_k: Add columns ``class_1``, ``probability_1`` to ``class_K``, ``probability_K``: the likeliest classes of
            each image by name, 0 to as many as there are; 0 adds none. Equally likely ones stand in the data's order.
        advance: Called with the number of images after each batch.

    Returns:
        Predictions whose logits stand in the order of the data's classes. A class that the model does not know has a
        logit far below all others (:func:`~modelheir.metrics.unknown_classes.unknown_classes` names it). ``skipped``
        has the ids of images that could not be decoded, at most ``inputs.max_bad_share`` of the split.

    Raises:
        InputError: If model and data share no class, no data is given and the model is no run, ``crops`` is given
            without ``ten_crop``, or ``top_k`` is more than there are classes.
    """
    need_train("running a model")
    if crops is not None and not (ten_crop and str(crops).endswith(".npz")):
        raise InputError(f"crops = {str(crops)!r}: it needs ten_crop, and a file name that ends with .npz.")
    address = model if isinstance(model, str) else ""
    settings = inputs or (own_inputs(address) if address else None) or InputConfig()
    source = own_data([address] if address else []) if data is None else data
    splits = datasets.open_splits(source, settings, labelled=False)
    if split == "auto":
        split = "test" if len(splits) > 1 else next(iter(splits))
    one_of(splits, split=split)
    return predict_images(
        model,
        splits[split],
        inputs=settings,
        classes=classes,
        device=device,
        batch_size=batch_size,
        precision=precision,
        features=features,
        ten_crop=ten_crop,
        crops=crops,
        top_k=top_k,
        advance=advance,
    )


def predict_images(
    model: str | Classifier,
    images: ImageSet,
    *,
    inputs: InputConfig,
    classes: str = BY_NAME,
    device: str = "auto",
    batch_size: int = 256,
    precision: str = "fp32",
    features: bool = False,
    ten_crop: bool = False,
    crops: Path | str | None = None,
    top_k: int = 0,
    advance: Callable[[int], None] | None = None,
) -> Predictions:
    """Run a model over images that are opened already; settings and errors as in :func:`predict`."""
    runtime = inference.Runtime(device)
    network = models.load(model) if isinstance(model, str) else model
    if not images.classes:  # unlabelled images alone
        images = dataclasses.replace(images, classes=tuple(network.classes))
    if not 0 <= top_k <= len(images.classes):
        raise InputError(f"top_k = {top_k}: there are {len(images.classes)} classes; give 0 to {len(images.classes)}.")
    columns = _columns(images, network, classes, called=model if isinstance(model, str) else "the model")
    if not inputs.image_size and not network.spec["resolution"]:
        inputs = dataclasses.replace(inputs, image_size=network.image_size)
    network.to(runtime.device)
    stream = datasets.make_stream(
        images,
        config=dataclasses.replace(inputs, views="ten_crop") if ten_crop else inputs,
        batch_size=batch_size,
        train=False,
        seed=0,
        device=runtime.device,
        rank=runtime.rank,
        world=runtime.world,
    )

    kept = CropLogits() if crops is not None else None

    def ordered(shown: Any) -> Any:
        outputs = network(shown)
        if columns is None:
            return outputs
        return outputs._replace(logits=_in_order(outputs.logits.float(), columns))

    def run(batch: Any) -> Any:
        return inference.average_views(ordered, batch) if kept is None else kept.average(ordered, batch)  # type: ignore[arg-type]

    with inference.evaluation([network]):
        found = inference.predict_stream(run, stream, runtime, precision=precision, features=features, advance=advance)
    if kept is not None:
        values = kept.together(runtime)
        if runtime.main:
            write_crops(crops, found.sample_id, values, classes=images.classes)  # type: ignore[arg-type]
    lost = images.ids[~np.isin(images.ids, found.sample_id)].tolist()
    added = _top(found, top_k) if top_k else {}
    return dataclasses.replace(found, skipped=(*images.skipped, *lost), columns={**added, **found.columns})


def with_names(found: Predictions) -> Predictions:
    """Add columns for people: ``class`` and ``predicted_class`` by name, and ``confidence``, 0 to 1.

    ``class`` is empty where an image is unlabelled, and left out where all are. A column of the data that has one of
    these names stays as it is.
    """
    added: dict[str, np.ndarray] = {}
    if found.classes:
        names = np.array([*found.classes, ""])  # -1, an unlabelled image, is the last
        if (found.label >= 0).any():
            added["class"] = names[found.label]
        added["predicted_class"] = names[found.prediction]
    if found.logits is not None:
        added["confidence"] = max_confidence(softmax(found.logits))
    return dataclasses.replace(found, columns={**added, **found.columns})


def _top(found: Predictions, count: int) -> dict[str, np.ndarray]:
    """Return columns of the ``count`` likeliest classes of each image, names and probabilities, the likeliest first."""
    assert found.logits is not None
    order, probabilities = likeliest(softmax(found.logits), count)
    named = np.array(found.classes)[order]
    return {
        f"{what}_{place + 1}": values[:, place]
        for place in range(count)
        for what, values in (("class", named), ("probability", probabilities))
    }


def _columns(images: ImageSet, network: Classifier, rule: str, *, called: str) -> np.ndarray | None:
    """Return the model's column of each data class, -1 where it has none; ``None`` where the order is the same."""
    found = match_classes(
        images.classes, network.class_list, rule=rule, names=("the data", "the model"), advice=BY_ORDER_ADVICE
    )
    ours, theirs = len(found.ours), len(found.theirs)
    if found.in_order and rule == BY_NAME and ours != theirs:  # another number of nameless classes: not the same ones
        raise InputError(
            f"the model tells {theirs} classes apart without naming them, and the data has {ours}: give a model of the "
            "data's classes, or say --classes by-order to take the first ones in order."
        )
    if found.in_order and found.ours != found.theirs:
        _say(f"{called}: classes by order: {found.in_words()}.")
    return None if found.identical else found.to_theirs


def _in_order(logits: Tensor, columns: np.ndarray) -> Tensor:
    """Take columns in this order, and below all of them for -1."""
    import torch

    known = torch.from_numpy(columns[columns >= 0]).to(logits.device)
    kept = logits.index_select(1, known)
    found = logits.new_empty(len(logits), len(columns))
    found[:] = kept.amin(dim=1, keepdim=True) - GAP
    found[:, torch.from_numpy(np.flatnonzero(columns >= 0)).to(logits.device)] = kept
    return found
