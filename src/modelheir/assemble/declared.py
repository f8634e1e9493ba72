"""Open what a method's settings name besides ``--data`` and ``--old``: further data and further models."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from modelheir.address import parse_address
from modelheir.checks import InputError
from modelheir.classes import BY_ORDER_ADVICE, match_classes, renumber
from modelheir.runs.seal import digest
from modelheir.runs.teacher_cache.reading import cache_files

if TYPE_CHECKING:
    from modelheir.config.run import TrainConfig
    from modelheir.data import ImageSet
    from modelheir.methods.declared import ModelUse, SourceUse
    from modelheir.methods.method import Method

__all__ = ["Opened", "declared_models", "declared_sources", "flag_of", "model_digests", "open_sources"]


@dataclasses.dataclass(frozen=True)
class Opened:
    """What a run reads: data, further data and models, by how the user names them."""

    splits: Mapping[str, ImageSet]  #: of ``--data``
    sources: Mapping[str, Mapping[str, ImageSet]]
    old: tuple[str, ...]
    models: Mapping[str, ModelUse]
    flags: Mapping[str, str] = dataclasses.field(default_factory=dict)  #: how the user gives each of the sources

    @functools.cached_property
    def held(self) -> dict[str, dict[str, Any]]:
        """What all this holds, for ``environment.json``: fingerprints of splits, digests of the models' files."""
        from modelheir.data import fingerprint

        def prints(splits: Mapping[str, ImageSet]) -> dict[str, Any]:
            return {name: fingerprint(images) for name, images in splits.items()}

        models = {flag_of(name, use): model_digests(use.addresses) for name, use in self.models.items()}
        return {
            "data": prints(self.splits),
            "sources": {self.flags.get(name, name): prints(splits) for name, splits in self.sources.items()},
            "models": {**({"--old": model_digests(self.old)} if self.old else {}), **models},
        }


def flag_of(name: str, use: ModelUse | SourceUse) -> str:
    """Return how the user gives what a method declares under ``name``."""
    return use.flag or f"--method.{name}"


def declared_sources(method: Method, settings: Any) -> dict[str, SourceUse]:
    """Return the further data that ``settings`` name, by the setting's name."""
    return {name: use for name, use in method.sources(settings).items() if use.address}


def declared_models(method: Method, settings: Any) -> dict[str, ModelUse]:
    """Return the further models that ``settings`` name, by the setting's name."""
    found = {
        name: dataclasses.replace(use, addresses=tuple(filter(None, use.addresses)))
        for name, use in method.models(settings).items()
    }
    return {name: use for name, use in found.items() if use.addresses}


def open_sources(
    uses: Mapping[str, SourceUse], config: TrainConfig, classes: tuple[str, ...]
) -> dict[str, dict[str, ImageSet]]:
    """Open further data, read as ``--data`` is.

    Args:
        uses: What is named.
        config: Settings of the run, image size and all.
        classes: The class list of ``--data``, which every split gets.

    Returns:
        Name -> split -> images.

    Raises:
        InputError: If one cannot be opened, has labels of classes none of which the run knows, or has no training
            images.
    """
    return {name: _open(name, use, config, classes) for name, use in uses.items()}


def _open(name: str, use: SourceUse, config: TrainConfig, classes: tuple[str, ...]) -> dict[str, ImageSet]:
    from modelheir.data import join_sets, open_source, open_splits
    from modelheir.data.verify import verified

    # how much of ``--data`` is trained on says nothing about other data
    inputs = dataclasses.replace(
        config.inputs, train_fraction=1.0, train_per_class=0, train_classes=(), keep_together="", label_noise=0.0
    )
    if use.labelled:
        found = open_splits(use.address, inputs)
        theirs = next(iter(found.values())).classes
        names = ("the data", f"{flag_of(name, use)} {use.address}")
        match = match_classes(classes, theirs, rule=config.classes, names=names, advice=BY_ORDER_ADVICE)
        return {
            split: dataclasses.replace(images, classes=classes, labels=renumber(images.labels, match.to_ours))
            for split, images in found.items()
        }
    given = open_source(use.address, inputs)
    bare = [
        dataclasses.replace(given[split], classes=classes, labels=np.full(len(given[split]), -1))
        for split in ("train", "unlabelled")
        if split in given
    ]
    if not bare or not sum(map(len, bare)):
        raise InputError(
            f"{flag_of(name, use)} {use.address} has no training images, only {', '.join(given) or 'nothing'}."
        )
    whole = bare[0] if len(bare) == 1 else join_sets(bare, name=use.address)
    return {"unlabelled": verified(whole, inputs)}


def model_digests(addresses: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return what the files of models hold: address -> file name -> SHA-256; nothing of what is not there.

    Models of a library have none: the library's version is noted.
    """
    from modelheir.models.files.load import files_of

    found = {}
    for address in addresses:
        place = parse_address(address)
        try:
            if place.kind == "cache":
                files = cache_files(place.path)
            else:
                files = (place.path,) if place.kind == "predictions" else files_of(address)
        except InputError:  # loading says so in its own words; a finished run needs it no more
            files = ()
        found[address] = {path.name: digest(path) for path in files if path.is_file()}
    return found
