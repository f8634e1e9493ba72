"""Vision models of the library transformers, through the extra ``hub``: ``hf:ID``, or ``hf:DIR`` of a saved one.

The vector is the model's pooled output; where its pooling layer has no published weights, or there is none, the class
token. (A layer without weights is a random projection: the older system's MAE was read through one.) Of a model of
images and texts only the tower of the images is built.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from modelheir.checks import InputError
from modelheir.extras import need
from modelheir.models.bodies.library import fetched
from modelheir.models.encoders.encoder import Encoder
from modelheir.models.encoders.preparation import Preparation

__all__ = ["Pooled", "hugging_face_encoder", "read_vision_model", "sized"]

_TOWER = "vision_model."  #: prefix of the tower's parameters in a model of images and texts
_POOLER = "pooler."


class Pooled(nn.Module):
    """A vision model of transformers as a function of images."""

    def __init__(self, model: nn.Module, *, pooler: bool = True) -> None:
        """Wrap a model.

        Args:
            model: Takes ``pixel_values`` and returns ``last_hidden_state`` and maybe ``pooler_output``.
            pooler: Whether the pooled output is good; if not, the class token is taken (or the mean over a map).
        """
        super().__init__()
        self.model, self.pooler = model, pooler
        self.arguments: dict[str, Any] = {}  #: of each call, besides the images

    def forward(self, images: Tensor) -> Tensor:
        """Return ``(N, D)`` for normalised images ``(N, 3, H, W)``."""
        found = self.model(pixel_values=images, **self.arguments)
        pooled = getattr(found, "pooler_output", None) if self.pooler else None
        if pooled is None:
            last = found.last_hidden_state
            pooled = last[:, 0] if last.ndim == 3 else last.mean(dim=(2, 3))
        return pooled.flatten(1)


def hugging_face_encoder(place: str, image_size: int = 0) -> Encoder:
    """Make the encoder ``hf:ID``; how it wants its images stands beside its weights.

    Args:
        place: Name on the hub, or a folder with the same files.
        image_size: Pixels a side; 0 is the model's own.

    Raises:
        InputError: If the library is missing, or the model cannot be had whole.
    """
    spec = f"hf:{place}"
    body = read_vision_model(place, spec)
    view = _preparation(place, spec)
    if image_size:
        view = Preparation(round(image_size * view.resize / view.crop), image_size, view.mean, view.std)
    return Encoder(sized(body, view.crop), address=spec, preparation=view)


def sized(body: Pooled, image_size: int) -> Pooled:
    """Tell a model, in place, to bring its positions to images of another size than its own, if it can."""
    own = getattr(getattr(body.model, "config", None), "image_size", image_size)
    own = own[0] if isinstance(own, list | tuple) else own
    if own != image_size and "interpolate_pos_encoding" in inspect.signature(body.model.forward).parameters:
        body.arguments["interpolate_pos_encoding"] = True
    return body


def read_vision_model(place: str, spec: str) -> Pooled:
    """Load a vision model, or the tower of the images of a larger one, in single precision.

    Args:
        place: Name on the hub, or a folder with the same files.
        spec: What the user wrote, for messages.

    Raises:
        InputError: If the library is missing, or the model cannot be had, has no tower of images, or lacks weights.
    """
    need("hub", spec, "transformers")
    import transformers

    folder = f"{spec.removesuffix(place).rstrip(':')}:DIR"
    config = fetched(spec, lambda: transformers.AutoConfig.from_pretrained(place), instead=folder)
    tower = getattr(config, "vision_config", None)
    if tower is None:
        kind, given = transformers.AutoModel, {"config": config}
        if getattr(config, "mask_ratio", None):
            config.mask_ratio = 0.0  # a masked auto-encoder would hide most of each image
    else:
        name = type(tower).__name__.removesuffix("Config") + "Model"
        kind = getattr(transformers, name, None)
        if kind is None:
            raise InputError(f"{spec} has no tower of images that transformers can build alone ({name}).")
        given = {"config": tower, "key_mapping": {rf"^(?:\w+\.)?{_TOWER}": _own_prefix(kind, tower)}}
    with _quiet():
        model, told = fetched(
            spec,
            lambda: kind.from_pretrained(place, dtype=torch.float32, output_loading_info=True, **given),
            instead=folder,
        )
    missing = sorted(told["missing_keys"])
    if any(not key.startswith(_POOLER) for key in missing):
        raise InputError(f"{spec} lacks {len(missing)} weights ({', '.join(missing[:3])}, ...): it cannot be used.")
    return Pooled(model, pooler=not missing)


def _own_prefix(kind: Any, config: Any) -> str:
    with torch.device("meta"):
        own = kind(config).state_dict()
    return _TOWER if all(key.startswith(_TOWER) for key in own) else ""


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from listing the weights of what is left out, and from bars that tell of milliseconds."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _preparation(place: str, spec: str) -> Preparation:
    """Read how a model wants its images from ``preprocessor_config.json``."""
    import transformers

    told: Any = fetched(spec, lambda: transformers.AutoImageProcessor.from_pretrained(place), instead="hf:DIR")
    sides = [_side(getattr(told, name, None)) for name in ("size", "crop_size")]
    resize, crop = sides[0], sides[1] if getattr(told, "do_center_crop", False) else sides[0]
    if not resize or not crop:
        raise InputError(f"{spec} does not say the size of its images: its preprocessor has size = {told.size}.")
    mean = std = (0.5,) * 3 if getattr(told, "rescale_offset", False) else None
    if getattr(told, "do_normalize", False):
        mean, std = tuple(told.image_mean), tuple(told.image_std)
    return Preparation(max(resize, crop), crop, mean or (0.0,) * 3, std or (1.0,) * 3)  # type: ignore[arg-type]


def _side(size: Any) -> int:
    """Return the pixels a side that a preprocessor's size means; 0 where it says none."""
    if isinstance(size, int):
        return size
    return int(next((size[key] for key in ("height", "shortest_edge") if size and size.get(key)), 0))
