"""Addresses: what ``run:DIR#STAGE``, ``file:PATH:MODEL``, ``tv:NAME``, or the name of a data source says.

Each is taken apart here, once; what it points to is read elsewhere. Only whether a bare path is a file or a folder is
looked up on disk. Where timm has several published weights of a network, ``timm:NAME.TAG`` are those of one tag, such
as ``timm:resnet18.fb_swsl_ig1b_ft_in1k``.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from modelheir.checks import InputError, nearest

__all__ = [
    "ENCODER_KINDS",
    "LIBRARIES",
    "MODEL_KINDS",
    "Address",
    "DataAddress",
    "parse_address",
    "parse_data",
    "parse_encoder",
    "predictions_place",
    "without_run",
]

LIBRARIES = ("tv", "timm", "pkg")  #: of published weights: torchvision's, timm's, files in packages
MODEL_KINDS = ("run", "file", *LIBRARIES)  #: words before the colon of a model's address
#: words before the colon of an encoder's address; each but the models' has a reader of its own
ENCODER_KINDS = (*MODEL_KINDS, "encoder", "hf", "open_clip", "pixels", "colour")
_CACHE = "cache"  #: of what teachers said
_PREDICTIONS = (".parquet", ".csv")
_WEIGHTS = (".safetensors", ".pt", ".pth", ".tar", ".ckpt", ".bin")


@dataclasses.dataclass(frozen=True)
class Address:
    """Where a model, or what a model said, is found."""

    text: str  #: as the user wrote it
    kind: str  #: run, file, tv, timm, pkg, predictions or cache; "" for a bare path where nothing is
    place: str  #: folder, file or library's name, without what stands before and behind it
    stage: str = ""  #: of a run; "" is the final model
    network: str = ""  #: of a file that does not say it

    @property
    def path(self) -> Path:
        """The folder or file."""
        return Path(self.place)

    @property
    def run(self) -> Path | None:
        """The run folder; ``None`` where it is none."""
        return self.path if self.kind == "run" else None

    def need_model(self) -> None:
        """Require that it is a model's address.

        Raises:
            InputError: If it is a file of predictions, a teacher cache, or nothing that is there; offers the nearest
                kind.
        """
        if self.kind == "predictions":
            raise InputError(f"{self.text} holds predictions, and the model itself is needed: run:DIR or file:PATH.")
        if self.kind == _CACHE:
            raise InputError(
                f"{self.text} holds outputs of teachers, and the model itself is needed: run:DIR or file:PATH."
            )
        if not self.kind:
            word, colon, _ = self.text.partition(":")
            near = nearest(f"{word}:", [f"{kind}:" for kind in MODEL_KINDS]) if colon else ""
            raise InputError(
                f"{self.text!r} is no trained model: give run:DIR, file:PATH, tv:NAME, timm:NAME or pkg:NAME "
                f"(and is the path right?).{near}"
            )


def parse_address(text: str) -> Address:
    """Take the address of a model or of predictions apart; a bare path is what is found there.

    Raises:
        InputError: If nothing follows the colon.

    Example:
        >>> parse_address("run:runs/v1#member_2")
        Address(text='run:runs/v1#member_2', kind='run', place='runs/v1', stage='member_2', network='')
        >>> parse_address("file:old.pth:tv:resnet18").network
        'tv:resnet18'
        >>> parse_address("file:OLD.CSV").kind, parse_address("timm:vit_tiny_patch16_224").place
        ('predictions', 'vit_tiny_patch16_224')
        >>> parse_address("cache:teachers").kind
        'cache'
    """
    kind, colon, rest = text.partition(":")
    if not colon or kind not in (*MODEL_KINDS, _CACHE):
        kind, rest = "", text
    elif not rest.strip():
        raise InputError(f"{text!r} names nothing: what should follow {kind}:?")
    if kind in (*LIBRARIES, _CACHE):
        return Address(text, kind, rest)
    whole, (before, mark, stage) = Path(rest), rest.partition("#")
    if kind == "run" or (not kind and (whole.is_dir() or (mark and not whole.exists() and Path(before).is_dir()))):
        return Address(text, "run", rest) if whole.is_dir() else Address(text, "run", before, stage=stage)
    if rest.lower().endswith(_PREDICTIONS):
        return Address(text, "predictions", rest)
    if whole.is_file():
        return Address(text, "file", rest)
    found = re.fullmatch(r"(.+?):((?:tv:|timm:)?[\w.\-]+)", rest) if kind == "file" else None
    if found and found[1].lower().endswith(_WEIGHTS):
        return Address(text, "file", found[1], network=found[2])
    return Address(text, kind, rest)


def parse_encoder(text: str) -> Address:
    """Take the address of an encoder of images apart: a model's, or one of ``encoder:NAME``, ``hf:ID``, ...

    Raises:
        InputError: If it is none, or nothing follows the colon.

    Example:
        >>> parse_encoder("pixels:left").kind, parse_encoder("pixels:left").place
        ('pixels', 'left')
        >>> parse_encoder("tv:resnet18").kind, parse_encoder("colour").kind
        ('tv', 'colour')
    """
    kind, colon, rest = text.partition(":")
    if text == "colour":
        return Address(text, "colour", "")
    if kind in ENCODER_KINDS[len(MODEL_KINDS) : -1]:
        if not rest.strip():
            raise InputError(f"{text!r} names nothing: what should follow {kind}:?")
        return Address(text, kind, rest)
    found = parse_address(text)
    if found.kind not in MODEL_KINDS:
        known = [*(f"{one}:" for one in ENCODER_KINDS[:-1]), "colour"]
        near = nearest(f"{kind}{colon}", known)
        raise InputError(
            f"{text!r} is no encoder: give {', '.join(known[:-1])} or {known[-1]} (and is the path right?).{near}"
        )
    return found


def predictions_place(text: str) -> Path:
    """Return the run folder or file of predictions that an address names.

    Raises:
        InputError: If it names a model's weights, or a stage of a run.
    """
    found = parse_address(text)
    if found.stage:
        raise InputError(f"{text} names a stage: give the stage's own file of predictions, or the run {found.place}.")
    if found.kind == _CACHE:
        raise InputError(
            f"{text} holds outputs of training images: give a run, or a file that `modelheir predict` wrote."
        )
    if found.kind in LIBRARIES or found.network:
        raise InputError(f"{text} is a model, not what it said: give a file that `modelheir predict` wrote.")
    return found.path


def without_run(text: str) -> str:
    """Return a path that may have ``run:`` in front without it."""
    return text.removeprefix("run:")


@dataclasses.dataclass(frozen=True)
class DataAddress:
    """Where images come from: ``kind``, ``kind:place``, ``kind:place,key=value``."""

    kind: str
    place: str
    options: dict[str, str]


def parse_data(text: str) -> DataAddress:
    """Take a data set's name apart into kind, place and options; whether there is such a kind is not asked.

    Example:
        >>> parse_data("list:lists/train.txt,val=lists/val.txt")
        DataAddress(kind='list', place='lists/train.txt', options={'val': 'lists/val.txt'})
        >>> parse_data("synthetic:n=64,classes=3")
        DataAddress(kind='synthetic', place='', options={'n': '64', 'classes': '3'})
        >>> parse_data("sequence:drift.yaml,mode=compat")
        DataAddress(kind='sequence', place='drift.yaml', options={'mode': 'compat'})
    """
    kind, _, rest = text.strip().partition(":")
    place, *pairs = re.split(r"(?:^|,)(?=[a-z]+=)", rest)
    return DataAddress(kind, place, dict(pair.split("=", 1) for pair in pairs))
