"""Build a classifier from a name: ``tv:NAME``, ``timm:NAME``, ``pkg:NAME``, or a small or special one of our own.

The same seed gives the same weights, and building leaves the global random state as it was. ``Classifier.spec`` holds
everything that :func:`from_spec` needs, as JSON values; weights are kept apart from it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from modelheir.address import LIBRARIES
from modelheir.checks import InputError, nearest, validate
from modelheir.config.mapping import from_mapping
from modelheir.config.network import NetworkConfig
from modelheir.models.adapters.side import add_side_modules
from modelheir.models.blends import dawin
from modelheir.models.bodies import library
from modelheir.models.bodies.families import Split, split_timm, split_torchvision
from modelheir.models.bodies.mimo import widen_input
from modelheir.models.bodies.small import SMALL
from modelheir.models.classifier import Classifier
from modelheir.models.files.fit_weights import fit_weights, from_library
from modelheir.models.files.packaged import packaged, read_packaged
from modelheir.models.heads import make_head

__all__ = ["build", "from_spec", "names"]

_PROBE = 128  #: pixels up to which a network is tried on one blank image when it is built


def names() -> list[str]:
    """Return the names that need nothing such as ``tv:`` in front."""
    from modelheir.models.bodies.table import BODIES

    return sorted({*SMALL, *BODIES})


def build(
    spec: str,
    *,
    classes: Sequence[str],
    image_size: int,
    config: NetworkConfig | None = None,
    seed: int = 0,
) -> Classifier:
    """Build a classifier with new weights, or with the library's where ``config.pretrained``.

    Pretrained weights include the classifier layer only where it is linear, without embedding, and has as many classes.

    Args:
        spec: ``tv:NAME``, ``timm:NAME``, ``pkg:NAME`` (with its weights only), or a name of :func:`names`.
        classes: Class names, one a logit.
        image_size: Height and width of the images, in pixels; 0 is unknown, which some networks refuse.
        config: Settings of the network.
        seed: Of the initial weights.

    Returns:
        The classifier on the CPU in training mode.

    Raises:
        InputError: If the name is unknown, a setting does not fit the architecture, the images are too small for it,
            or published weights cannot be had.
    """
    config = config or NetworkConfig()
    validate(config, "network")
    if not classes:
        raise InputError("a classifier needs at least one class.")
    if len(set(classes)) != len(classes):
        raise InputError("class names must differ from each other.")
    if spec.startswith("pkg:") and not config.pretrained:
        new = f"timm:{packaged(spec.removeprefix('pkg:')).network}"
        raise InputError(f"{spec} names weights: set network.pretrained to start from them, or take {new} without.")
    given = {"name": spec, "classes": list(classes), "image_size": image_size, "seed": seed}
    return _build(given, config, fetch=config.pretrained)


def from_spec(spec: Mapping[str, Any]) -> Classifier:
    """Build the network of a saved ``spec`` again, with its initial weights; a head on vectors too. Fetches nothing.

    Raises:
        InputError: If the specification has missing or unknown entries.
    """
    if not isinstance(spec, Mapping):
        raise InputError(
            f"the model's description must be a mapping, got a {type(spec).__name__}: did modelheir write it?"
        )
    if "encoders" in spec or "vectors" in spec:
        from modelheir.models.view_classifier import from_vector_spec

        return from_vector_spec(spec)  # type: ignore[return-value]
    try:
        config = from_mapping(NetworkConfig, spec["network"], where="network", source="the model's description")
        given = {key: spec[key] for key in ("name", "classes", "image_size", "seed")}
        fixed = {key: spec[key] for key in ("mean", "std", "resolution")}
    except KeyError as error:
        raise InputError(f"the model's description lacks {error}: was it written by modelheir?") from error
    model = _build(given, config, fetch=False, fixed=fixed)
    if "side" in spec:
        model = add_side_modules(model, spec["side"])
    if "dawin" in spec:
        return dawin.rebuild(model, spec["dawin"])  # type: ignore[return-value]
    if "transplant" in spec:
        from modelheir.models.backward_compatible import rebuild

        return rebuild(model, spec["transplant"])  # type: ignore[return-value]
    return model


def _build(
    given: Mapping[str, Any], config: NetworkConfig, *, fetch: bool, fixed: Mapping[str, Any] | None = None
) -> Classifier:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(given["seed"])
        try:
            model = _assemble(given, config, fetch, fixed)
        except InputError:
            raise
        except (TypeError, ValueError, AssertionError, RuntimeError) as error:
            text = str(error).split("\n")[0].rstrip(".")
            raise InputError(
                f"{given['name']} cannot be built with network.kwargs = {config.kwargs}: {text}."
            ) from error
    return model


def _assemble(
    given: Mapping[str, Any], config: NetworkConfig, fetch: bool, fixed: Mapping[str, Any] | None
) -> Classifier:
    name, classes, members = given["name"], len(given["classes"]), config.mimo_members
    kind, _, rest = name.partition(":")
    mean, std, size = library.IMAGENET_MEAN, library.IMAGENET_STD, config.resolution or given["image_size"]
    resolution = config.resolution
    if config.pretrained and kind in LIBRARIES:
        told = library.published(name)
        mean, std = told.mean, told.std
        if rest.startswith("vit_") and kind == "tv":
            size = resolution = told.image_size
    if name == "tv:maxvit_t":
        size = resolution = resolution or 224
    split = _split(kind, rest, given, config, size, fetch)
    own = config.head == "linear" and not config.embedding and members == 1
    width = config.embedding or split.feature_size
    heads = split.auxiliary_heads or tuple(nn.Linear(n, classes) for n in split.auxiliary_sizes)
    if members > 1 and heads:
        raise InputError(
            f"{name} has auxiliary heads, which network.mimo_members > 1 cannot have: choose one of the two."
        )
    if config.auxiliary != "none" and not heads:
        raise InputError(f"network.auxiliary = {config.auxiliary!r}, but {name} has no auxiliary heads: use none.")
    head = split.head if own and split.head is not None else None
    spec = {
        **given,
        "network": {key: list(v) if isinstance(v, tuple) else v for key, v in dataclasses.asdict(config).items()},
        **(fixed or {"mean": list(config.mean or mean), "std": list(config.std or std), "resolution": resolution}),
    }
    if len(spec["mean"]) != 3 or len(spec["std"]) != 3:
        raise InputError("network.mean and network.std must have three numbers each, one a channel.")
    model = Classifier(
        widen_input(split.body, members=members, keep_weights=config.pretrained),
        head or make_head(config.head, width, classes * members, temperature=config.cosine_temperature),
        spec=spec,
        embedding=nn.Linear(split.feature_size, width) if config.embedding else None,
        dropout=config.dropout or split.dropout,
        auxiliary_heads=heads,
        layout=split.layout,
    )
    if fetch and kind in ("tv", "pkg"):
        _take_published(model, name, library.fetch_torchvision(rest) if kind == "tv" else read_packaged(rest))
    _probe(model, size)
    return model


def _split(kind: str, rest: str, given: Mapping[str, Any], config: NetworkConfig, size: int, fetch: bool) -> Split:
    classes, arguments = len(given["classes"]), dict(config.kwargs)
    if kind == "tv":
        net = library.make_torchvision(
            rest, classes=classes, image_size=size, pretrained=config.pretrained, arguments=arguments
        )
        return split_torchvision(net, classes)
    if kind == "pkg":
        split = _split("timm", packaged(rest).network, given, config, size, fetch=False)
        split.head.reset_parameters()  # type: ignore[union-attr] # timm draws it for many classes: too large for few
        return split
    if kind == "timm":
        net, _ = library.make_timm(rest, classes=classes, image_size=size, fetch=fetch, arguments=arguments)
        return split_timm(net, rest)
    name = given["name"]
    makers: dict[str, Callable[..., nn.Module]] = dict(SMALL)
    if name not in SMALL:  # the small networks do without torchvision, which takes seconds to import
        from modelheir.models.bodies.table import BODIES

        makers |= BODIES
    if name not in makers:
        import torchvision

        there = name in torchvision.models.list_models(module=torchvision.models)
        near = f" Did you mean 'tv:{name}'?" if there else nearest(name, makers)
        known = ", ".join(("tv:NAME", "timm:NAME", "pkg:NAME", *sorted(makers)))
        raise InputError(f"unknown network {name!r}.{near} Known: {known}.")
    if config.pretrained and name in SMALL:
        raise InputError(f"{name} has no published weights: leave network.pretrained off, or load a file.")
    if name in SMALL:
        arguments["image_size"] = size
    elif fetch:
        arguments["pretrained"] = True
    body: Any = library.fetched(name, lambda: makers[name](**arguments)) if fetch else makers[name](**arguments)
    sizes = tuple(getattr(body, "auxiliary_sizes", ()))
    layout = dict(getattr(body, "layout", {"head": "fc", "body": ""}))
    return Split(body, body.feature_size, None, layout, auxiliary_sizes=sizes)


def _take_published(model: Classifier, name: str, found: Mapping[str, Tensor]) -> None:
    """Load published weights into everything that they fit by count of classes and kind of head."""
    state = from_library(found, model.layout)
    own = model.state_dict()
    new = ("embedding.", "head.", "auxiliary_heads.")
    for key in list(state):
        if key.startswith(new) and (key not in own or own[key].shape != state[key].shape):
            del state[key]
    first = next(iter(own))
    if first in state and state[first].shape != own[first].shape:  # several images, joined along the channels
        count = own[first].shape[1] // state[first].shape[1]
        state[first] = state[first].repeat(1, count, 1, 1) / count
    fit_weights(model, state, f"the published weights of {name}", optional=new)


@torch.no_grad()
def _probe(model: Classifier, size: int) -> None:
    """Find out before training that a network cannot take small images."""
    if size == 0 or (size > _PROBE and (size >= 299 or not len(model.auxiliary_heads))):
        return
    try:
        images = torch.zeros(1, 3, size, size)
        model.eval()(images)
        if len(model.auxiliary_heads):  # they run in training only
            model.body.forward_auxiliary(model.prepare(images))  # pyright: ignore[reportCallIssue]
    except (RuntimeError, ValueError, AssertionError) as error:
        text = str(error).split("\n")[0].rstrip(".")
        raise InputError(
            f"{model.spec['name']} cannot take images of {size} pixels ({text}): set network.resolution or "
            "inputs.image_size higher, or choose a network for small images."
        ) from error
    finally:
        model.train()
