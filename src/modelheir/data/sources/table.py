"""The table of data sources, by the kind that stands before the colon of a data set's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from modelheir import checks
from modelheir.address import parse_data
from modelheir.config.inputs import InputConfig
from modelheir.data.images import ImageSet
from modelheir.data.sources.arrow import open_manifest, open_parquet
from modelheir.data.sources.cifar import open_cifar10, open_cifar100
from modelheir.data.sources.files import open_folder, open_list
from modelheir.data.sources.hub import open_hub
from modelheir.data.sources.portraits import open_portraits
from modelheir.data.sources.small import open_digits, open_synthetic

__all__ = ["SOURCES", "open_source"]

Open = Callable[[str, Mapping[str, str], InputConfig], dict[str, ImageSet]]

SOURCES: dict[str, Open] = {
    "digits": open_digits,
    "synthetic": open_synthetic,
    "cifar10": open_cifar10,
    "cifar100": open_cifar100,
    "folder": open_folder,
    "list": open_list,
    "manifest": open_manifest,
    "parquet": open_parquet,
    "hf": open_hub,
    "portraits": open_portraits,
}


def open_source(spec: str, config: InputConfig) -> dict[str, ImageSet]:
    """Open every split that a data set has, as it is: nothing carved out, checked or decoded.

    Args:
        spec: For example ``digits``, ``folder:photos``, ``parquet:cifar10``, ``synthetic:n=64,classes=4,size=8``.
        config: Only settings of reading are used.

    Returns:
        Split name (``train``, ``val``, ``test``, ``unlabelled``) -> images; only those that are there.

    Raises:
        InputError: If the kind is unknown or the source cannot be read.
    """
    found = parse_data(spec)
    kind = found.kind
    if kind not in SOURCES and spec and Path(spec).exists():
        near = "folder" if Path(spec).is_dir() else "parquet" if spec.endswith(".parquet") else "list"
        raise checks.InputError(f"data = {spec!r} does not say its kind: write {near}:{spec}.")
    if kind == "sequence":
        raise checks.InputError(f"data = {spec!r} is a history of several data sets, and one data set is needed here.")
    if kind not in SOURCES:
        raise checks.unknown("data source", kind, SOURCES)
    return SOURCES[kind](found.place, found.options, config)
