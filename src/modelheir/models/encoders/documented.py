"""Build an encoder of the table: ``encoder:NAME``, or ``encoder:NAME:PATH`` with its weights from a file."""

from __future__ import annotations

import importlib

from torch import nn

from modelheir.checks import InputError, unknown
from modelheir.models.bodies.library import make_timm
from modelheir.models.encoders.encoder import Encoder
from modelheir.models.encoders.esvit import read_esvit
from modelheir.models.encoders.hugging_face import read_vision_model, sized
from modelheir.models.encoders.preparation import Preparation
from modelheir.models.encoders.table import ENCODERS, Documented
from modelheir.models.files.checkpoint import read_state
from modelheir.models.files.fit_weights import fit_weights

__all__ = ["documented_encoder"]


def documented_encoder(place: str, image_size: int = 0) -> Encoder:
    """Make the encoder ``encoder:NAME`` or ``encoder:NAME:PATH``.

    Args:
        place: A name of :data:`~modelheir.models.encoders.table.ENCODERS`, and after a colon where its weights are:
            a file by the names of timm or of its makers, or a folder for a model of transformers.
        image_size: Pixels a side that are seen; 0 is as documented. Images are resized to as much more as documented.

    Raises:
        InputError: If there is no such encoder, it needs a file, or its weights cannot be had or do not fit whole.
    """
    name, _, path = place.partition(":")
    if name not in ENCODERS:
        raise unknown("encoder", name, ENCODERS)
    row, spec = ENCODERS[name], f"encoder:{place}"
    crop = image_size or row.crop
    if row.rigid and crop != row.crop:
        raise InputError(f"{spec} sees images of {row.crop} pixels alone: leave image_size at 0.")
    view = Preparation(round(crop * row.resize / row.crop), crop, *row.normalisation)
    return Encoder(_body(name, row, path, crop, spec), address=spec, preparation=view)


def _body(name: str, row: Documented, path: str, image_size: int, spec: str) -> nn.Module:
    if row.library == "timm":
        told = f"encoder:{name}:PATH"
        body, _ = make_timm(row.id, classes=0, image_size=image_size, fetch=not path, arguments={}, instead=told)
        return _filled(body, path) if path else body
    if row.library == "transformers":
        return sized(read_vision_model(path or row.id, spec), image_size)
    if not path:
        raise InputError(f"{spec}: no library carries {row.id}; get that file and write encoder:{name}:PATH.")
    if name == "esvit":
        return read_esvit(path)
    from modelheir.models.encoders.swav import read_swav  # the others do without torchvision, which is slow to import

    return read_swav(path)


def _filled(body: nn.Module, path: str) -> nn.Module:
    """Put the weights of a file into timm's network, by its names or those of the network's makers."""
    module = importlib.import_module(type(body).__module__)
    classifier = f"{body.pretrained_cfg['classifier']}."  # type: ignore[index]
    state = module.checkpoint_filter_fn(read_state(path), body)
    fit_weights(body, {key: one for key, one in state.items() if not key.startswith(classifier)}, path)
    return body
