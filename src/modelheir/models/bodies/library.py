"""Networks and published weights of torchvision and timm, by name. Neither library is imported before it is asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

from torch import Tensor, nn

from modelheir.checks import InputError, nearest, unknown
from modelheir.models.files.packaged import packaged

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "Published",
    "fetch_torchvision",
    "fetched",
    "make_timm",
    "make_torchvision",
    "published",
]

T = TypeVar("T")

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclasses.dataclass(frozen=True)
class Published:
    """How a library's published weights want their images, and what they tell apart."""

    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[str, ...]


def _check_name(library: str, name: str, known: list[str]) -> None:
    if name not in known:
        raise InputError(f"unknown {library} network {name!r}.{nearest(name, known)} {library} has {len(known)} names.")


def _weights(name: str) -> Any:
    import torchvision

    _check_name("torchvision", name, torchvision.models.list_models(module=torchvision.models))
    return torchvision.models.get_model_weights(name)["DEFAULT"]


def _timm_weights(name: str) -> Any:
    """Return what timm knows of the weights of ``NAME``, or of those of several that ``NAME.TAG`` means."""
    import timm

    network, dot, tag = name.partition(".")
    _check_name("timm", network, timm.list_models())
    try:
        return timm.models.get_pretrained_cfg(name)
    except RuntimeError as error:
        tags = [one.partition(".")[2] for one in timm.list_pretrained(f"{network}.*")]
        if not dot or tag in tags:
            raise
        raise unknown(f"weights of timm:{network}", tag, tags) from error


def published(spec: str) -> Published:
    """Return what is known of the published weights of ``tv:NAME``, ``timm:NAME`` or ``pkg:NAME``; fetches nothing.

    Of several that timm has for one network, ``timm:NAME.TAG`` are the ones by that tag.

    Raises:
        InputError: If there is no such network, or it has no published weights.
    """
    kind, _, name = spec.partition(":")
    if kind == "tv":
        weights = _weights(name)
        view = weights.transforms()
        return Published(int(view.crop_size[0]), tuple(view.mean), tuple(view.std), tuple(weights.meta["categories"]))
    if kind == "pkg":
        name = packaged(name).network
    found = _timm_weights(name)
    if found is None or not found.has_weights:
        raise InputError(f"timm:{name} has no published weights: leave network.pretrained off, or load a file.")
    if found.num_classes == 1000:
        names = published("tv:resnet18").classes
    else:
        names = tuple(str(number) for number in range(found.num_classes))
    return Published(int(found.input_size[-1]), tuple(found.mean), tuple(found.std), names)


def make_torchvision(name: str, *, classes: int, image_size: int, pretrained: bool, arguments: dict[str, Any]) -> Any:
    """Build a torchvision classifier with random weights, arranged as its published weights need where pretrained."""
    import torchvision

    _check_name("torchvision", name, torchvision.models.list_models(module=torchvision.models))
    given = dict(arguments)
    if name in ("inception_v3", "googlenet"):
        given = {"init_weights": True, "transform_input": pretrained, **given}
    if name.startswith("vit_"):
        given.setdefault("image_size", image_size or 224)
    if name == "maxvit_t":
        given.setdefault("input_size", (image_size, image_size))
    return torchvision.models.get_model(name, weights=None, num_classes=classes, **given)


def fetch_torchvision(name: str) -> dict[str, Tensor]:
    """Return the published weights by the library's own parameter names; the library downloads them once."""
    weights = _weights(name)
    return fetched(f"tv:{name}", lambda: dict(weights.get_state_dict(progress=False, check_hash=True)))


def make_timm(
    name: str, *, classes: int, image_size: int, fetch: bool, arguments: dict[str, Any], instead: str = "file:PATH"
) -> tuple[nn.Module, bool]:
    """Build a timm classifier, or with 0 classes the network without its last layer.

    Returns:
        The network, and whether its size is fixed to ``image_size``.
    """
    import timm

    given, found = dict(arguments), _timm_weights(name)
    fixed = found is not None and bool(found.fixed_input_size)
    if found is not None and fixed:
        given.setdefault("img_size", image_size or found.input_size[-1])

    def make() -> nn.Module:
        return timm.create_model(name, pretrained=fetch, num_classes=classes, **given)

    return (fetched(f"timm:{name}", make, instead=instead) if fetch else make()), fixed


def fetched(spec: str, call: Callable[[], T], *, instead: str = "file:PATH") -> T:
    """Call what may download; a failure becomes one sentence, which offers a file by the address ``instead``."""
    try:
        return call()
    except (OSError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0][:200] or type(error).__name__
        raise InputError(
            f"cannot get the published weights of {spec} ({reason}): connect to the network once, "
            f"or give a local file with {instead}."
        ) from error
