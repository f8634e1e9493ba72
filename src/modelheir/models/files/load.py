"""Load a trained classifier: ``run:DIR``, ``run:DIR#stage``, ``file:PATH``, ``file:PATH:MODEL``, ``tv:NAME``, ...

Weights fit whole or not at all. Another class list is never squeezed in silently: ``replace_head`` says so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modelheir.address import LIBRARIES, Address, parse_address
from modelheir.checks import InputError
from modelheir.classes import match_classes, some_names
from modelheir.config.network import NetworkConfig
from modelheir.models.blends.dawin import need_one_network
from modelheir.models.bodies.library import published
from modelheir.models.building import build, from_spec
from modelheir.models.classifier import Classifier
from modelheir.models.files.checkpoint import read_spec, read_state
from modelheir.models.files.fit_weights import fit_weights, from_library
from modelheir.models.files.packaged import packaged_file
from modelheir.runs.files import read_json
from modelheir.runs.folder import RunFolder
from modelheir.runs.tensors import load_weights

__all__ = ["files_of", "load"]

_HEADS = ("head.", "auxiliary_heads.")


def load(
    spec: str,
    *,
    classes: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    model: str = "",
    config: NetworkConfig | None = None,
    image_size: int = 0,
    replace_head: bool = False,
    seed: int = 0,
) -> Classifier:
    """Load a classifier with its weights.

    Args:
        spec: ``run:DIR`` (``#stage`` for one stage of it), ``file:PATH`` (``:MODEL`` says which network, where the
            file does not), or ``tv:NAME``, ``timm:NAME`` and ``pkg:NAME`` with published weights.
        classes: The class list that the model must have, in this order; ``None`` takes the model's own.
        names: Class names for a file that does not say them; without, they are "0", "1", ...
        model: The network of a ``file:``, in place of ``:MODEL``.
        config: Settings of a ``file:``'s, ``tv:``'s, ``timm:``'s or ``pkg:``'s network; a run brings its own.
        image_size: Pixels a side that a ``file:``'s network was trained for; 0 is unknown, and nothing is resized.
        replace_head: Draw new classifier layers for ``classes`` and load everything else.
        seed: Of new classifier layers.

    Returns:
        The classifier on the CPU in training mode; one with published weights resizes images to their size.

    Raises:
        InputError: If something is missing, does not fit whole, or has other classes than asked for.
    """
    if replace_head and classes is None:
        raise InputError("replace_head needs the new class list: give classes.")
    address = parse_address(spec)
    address.need_model()
    network = config or NetworkConfig()
    if address.kind in LIBRARIES:
        found = _published(spec, network)
    elif address.kind == "file":
        wanted = classes if replace_head or names is None else names
        found = _from_file(address.path, model or address.network, network, wanted, image_size, replace_head, seed)
    else:
        found = _from_run(address)
    if replace_head and classes is not None:
        return _with_new_head(found, tuple(classes), seed, spec)
    if classes is not None and found.classes != tuple(classes):
        raise InputError(_other_classes(spec, found.classes, tuple(classes)))
    return found


def files_of(spec: str) -> tuple[Path, ...]:
    """Return the files that :func:`load` reads a model from: weights and description; none where a library has both.

    Args:
        spec: As in :func:`load`. The files need not be there, the run folder and its stage must.

    Raises:
        InputError: If there is no such run folder, or no finished stage of that name in it, or
            the package of ``pkg:`` is not installed.
    """
    address = parse_address(spec)
    if address.kind == "file":
        return (address.path,)
    if address.kind == "pkg":
        return (packaged_file(address.place),)
    if address.kind != "run":
        return ()
    folder = _run(address)
    if not address.stage:
        return folder.weights, folder.model
    place = folder.stage_named(address.stage)
    return place.weights, place.summary


def _published(spec: str, config: NetworkConfig) -> Classifier:
    told = published(spec)
    config = dataclasses.replace(config, pretrained=True, resolution=config.resolution or told.image_size)
    return build(spec, classes=told.classes, image_size=told.image_size, config=config)


def _run(address: Address) -> RunFolder:
    if not address.path.is_dir():
        raise InputError(f"the run folder {address.place} does not exist.")
    return RunFolder(address.path)


def _from_run(address: Address) -> Classifier:
    folder, stage = _run(address), address.stage
    text = str(folder.path)
    if not stage:
        if not folder.config.is_file() and not folder.model.is_file():
            raise InputError(f"{text} is no run folder: it has neither config.yaml nor model.json.")
        if not folder.model.is_file() or not folder.weights.is_file():
            if folder.without_model:
                raise InputError(_no_model(text))
            raise InputError(
                f"{text} holds no finished model: let the run finish, or name a stage of it, run:{text}#STAGE."
            )
        found = from_spec(read_json(folder.model))
        fit_weights(found, load_weights(folder.weights), str(folder.weights))
        return found
    place = folder.stage_named(stage)
    result = place.result()
    if not result.publish:
        raise InputError(_no_model(f"stage {stage!r} of {text}"))
    if "model" not in result.describe:
        raise InputError(f"stage {stage!r} of {text} does not describe a model.")
    found = from_spec(result.describe["model"])
    fit_weights(found, result.weights(result.publish), str(place.weights))
    return found


def _no_model(what: str) -> str:
    return (
        f"{what} publishes predictions of several modules together and no single model: give another run here; "
        "`compare` and `report` read its predictions."
    )


def _from_file(
    path: Path,
    model: str,
    config: NetworkConfig,
    classes: Sequence[str] | None,
    image_size: int,
    replace_head: bool,
    seed: int,
) -> Classifier:
    state, spec = read_state(path), read_spec(path)
    if spec is not None and not model:
        found = from_spec(spec)
        fit_weights(found, state, str(path))
        return found
    if not model:
        raise InputError(f"{path} does not say which network it holds: write file:{path}:MODEL, such as tv:resnet18.")
    config = dataclasses.replace(config, pretrained=False)
    count = 0
    if not replace_head:
        count = _count(state, model, config, path)
        if classes is not None and len(classes) != count:
            raise InputError(
                f"{path} tells {count} classes apart and {len(classes)} were asked for: "
                "give the matching class list, or replace the head."
            )
    numbers = [str(number) for number in range(count)]
    found = build(model, classes=classes or numbers, image_size=image_size, config=config, seed=seed)
    found.named = classes is not None
    state = from_library(state, found.layout)
    if replace_head:
        state = {key: value for key, value in state.items() if not key.startswith(_HEADS)}
    fit_weights(found, state, str(path), optional=_HEADS if replace_head else ())
    return found


def _count(state: dict[str, Any], model: str, config: NetworkConfig, path: Path) -> int:
    """Return the number of classes of the weights, by the rows of the last layer."""
    layout = build(model, classes=["0", "1"], image_size=0, config=config).layout
    rows = {key: len(value) for key, value in from_library(state, layout).items() if key.startswith("head.")}
    weight = next((count for key, count in rows.items() if key.endswith("weight")), None)
    if weight is None:
        raise InputError(f"{path} holds no classifier layer of {model}: is it that network?")
    return weight // config.mimo_members


def _with_new_head(model: Classifier, classes: tuple[str, ...], seed: int, source: str) -> Classifier:
    if "transplant" in model.spec:
        raise InputError(
            f"{source} has an old head transplanted beside its own: export it first, then replace the head."
        )
    need_one_network(model, source, "a new classifier layer")
    made = from_spec({**model.spec, "classes": list(classes), "seed": seed})
    state = {key: value for key, value in model.state_dict().items() if not key.startswith(_HEADS)}
    fit_weights(made, state, source, optional=_HEADS)
    return made


def _other_classes(spec: str, own: tuple[str, ...], asked: tuple[str, ...]) -> str:
    found = match_classes(asked, own, names=("the class list", spec), may_differ=True)
    if not found.lacking and not found.further:
        return f"{spec} has the same {len(own)} classes in another order: use the same class list, or replace the head."
    words = f"only {len(asked)} were asked for"
    if found.lacking:
        words = f"{len(found.lacking)} of the {len(asked)} are new to it: {some_names(found.lacking, 5)}"
    return (
        f"{spec} knows {len(own)} classes, and {words}. Replace the head (replace_head) to train it on other classes."
    )
