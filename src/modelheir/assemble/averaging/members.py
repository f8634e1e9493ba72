"""What is averaged: models of one network, or the snapshots along one training; each is read when it is asked for.

All are brought to the classes of the last, in its order, by name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modelheir import models
from modelheir.address import parse_address
from modelheir.checks import InputError
from modelheir.classes import BY_NAME, ClassMatch, match_classes, some_names
from modelheir.methods.given.stored import match_old
from modelheir.models import blends
from modelheir.models.files.fit_weights import fit_weights
from modelheir.models.files.load import files_of
from modelheir.runs.folder import RunFolder
from modelheir.runs.stage import StageFolder
from modelheir.runs.tensors import state_digest

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from modelheir.models import Classifier
    from modelheir.types import Snapshot

__all__ = ["Members", "open_models", "open_snapshots"]


@dataclasses.dataclass(frozen=True)
class Members:
    """Models that have names, shapes and classes in common; on the CPU."""

    names: tuple[str, ...]
    like: Classifier  #: one of them; its classes are those of all
    read: Callable[[int], Mapping[str, Tensor]]  #: number -> weights by the names and in the classes of ``like``
    in_time: bool  #: whether they are a sequence from the oldest to the newest
    files: Mapping[str, Sequence[Path]]  #: what is read, by address
    own: str = ""  #: address of the model that the training of snapshots came to; "" of models side by side

    def __len__(self) -> int:
        return len(self.names)

    def model(self, state: Mapping[str, Tensor]) -> Classifier:
        """Return a new classifier with these weights."""
        made = models.from_spec(self.like.spec)
        fit_weights(made, state, "an average")
        return made

    def check(self) -> None:
        """Read each once, and require that they can be averaged.

        Raises:
            InputError: Names the first whose tensors have other names or shapes than the last's or hold a number that
                is not finite, or which holds the weights of another: snapshots of a training that stood still may.
        """
        last, seen = self.like.state_dict(), dict[str, str]()
        for number, name in enumerate(self.names):
            state = self.read(number)
            _require_finite(state, name)
            if set(state) != set(last):
                differing = sorted(set(state) ^ set(last))
                raise InputError(_other(name, self.names[-1], f"{len(differing)} tensors, such as {differing[0]!r}"))
            digest = "" if self.in_time else state_digest(dict(state))
            if digest in seen:
                raise InputError(
                    f"{seen[digest]} and {name} hold the same weights: an average counts each model once, so leave "
                    "one of them out."
                )
            if digest:
                seen[digest] = name


def open_models(addresses: Sequence[str], *, data_classes: tuple[str, ...], rule: str) -> Members:
    """Open models by address.

    Args:
        addresses: At least two, in the user's order.
        data_classes: Classes of the data, which each must know.
        rule: How classes are matched with the data's.

    Raises:
        InputError: If the last cannot be loaded; of the others when they are read.
    """

    def load(address: str) -> Classifier:
        model = models.load(address)
        _require_plain(model, address)
        match = match_old(data_classes, model.class_list, address, rule=rule)
        _require_known(match, address)
        if match.in_order:
            model.rename(match.theirs_together)
        return model

    like = load(addresses[-1])

    def read(number: int) -> Mapping[str, Tensor]:
        address = addresses[number]
        model = load(address)
        _require_same_inputs(model, like, address, addresses[-1])
        match = match_classes(like.classes, model.classes, names=(addresses[-1], address))
        if match.lacking or match.further:
            raise InputError(
                f"{address} and {addresses[-1]} tell other classes apart: only one of them knows "
                f"{some_names((*match.lacking, *match.further), 5)}. Average models of the same classes."
            )
        _require_finite(model.state_dict(), address)
        try:
            return blends.align_state(model.state_dict(), model, like)
        except InputError as error:
            raise InputError(_other(address, addresses[-1], str(error).partition(": ")[2].rstrip("."))) from error

    held = {address: files_of(address) for address in addresses}
    return Members(tuple(addresses), like, read, in_time=False, files=held)


def open_snapshots(address: str, *, data_classes: tuple[str, ...]) -> Members:
    """Open the snapshots that a run kept, or one stage of it (``run:DIR#STAGE``); without, its last that kept some.

    Raises:
        InputError: If there is no such run or stage, it kept fewer than two, or it is no single model's.
    """
    place = parse_address(address)
    if not place.path.is_dir():
        raise InputError(f"the run folder {place.place} does not exist.")
    stage = _stage(RunFolder(place.path), place.stage, address)
    result = stage.result()
    snapshots = list(result.snapshots())
    if len(snapshots) < 2:
        raise InputError(_too_few(address, len(snapshots)))
    spec = result.describe.get("model")
    if not result.publish or spec is None:
        raise InputError(
            f"stage {stage.name!r} of {place.place} has no single model, so nothing of it can be averaged."
        )
    like = models.from_spec(spec)
    _require_plain(like, address)
    _require_known(match_old(data_classes, like.class_list, address, rule=BY_NAME), address)

    scratch = models.from_spec(spec)  # takes each in turn, to say what does not fit

    def read(number: int) -> Mapping[str, Tensor]:
        found = snapshots[number].weights(result.publish)
        fit_weights(scratch, found, str(snapshots[number].path))
        return {**like.state_dict(), **found}  # files of older versions lack counters

    names = tuple(_name(snapshot) for snapshot in snapshots)
    held = {address: [one.path for one in snapshots]}
    own = address if place.stage or RunFolder(place.path).model.is_file() else f"run:{place.place}#{stage.name}"
    return Members(names, like, read, in_time=True, files=held, own=own)


def _stage(folder: RunFolder, name: str, address: str) -> StageFolder:
    if name:
        return folder.stage_named(name)
    places = sorted((folder.path / "stages").glob("[0-9]*_*"))
    stages = [StageFolder(path, path.name.partition("_")[2]) for path in places]
    found = next((one for one in reversed(stages) if one.finished and one.snapshots()), None)
    if found is None:
        raise InputError(_too_few(address, 0))
    return found


def _too_few(address: str, count: int) -> str:
    held = f"only {count} snapshot" if count else "no snapshots"
    return (
        f"{address} has kept {held}, and an average needs at least two: train with --fit.snapshots.every_epochs 1 "
        "(or --fit.snapshots.every_steps N)."
    )


def _name(snapshot: Snapshot) -> str:
    return f"step {snapshot.step}"


def _require_known(match: ClassMatch, address: str) -> None:
    if match.lacking:
        raise InputError(
            f"{address} does not know {len(match.lacking)} of the data's classes ({some_names(match.lacking, 5)}): "
            "give data of the classes that the models were trained on."
        )


def _require_plain(model: Any, address: str) -> None:
    blends.need_one_network(model, address, "an average")
    if not isinstance(model, models.Classifier):
        raise InputError(f"{address} is no classifier of images alone, and only such are averaged.")


def _require_same_inputs(model: Classifier, like: Classifier, name: str, last: str) -> None:
    for key in ("mean", "std", "resolution"):
        if model.spec[key] != like.spec[key]:
            raise InputError(
                f"{name} and {last} see images otherwise ({key} = {model.spec[key]} and {like.spec[key]}), so that "
                "their weights mean other things: average models that were trained alike."
            )


def _require_finite(state: Mapping[str, Tensor], name: str) -> None:
    bad = next((key for key, value in state.items() if value.is_floating_point() and not value.isfinite().all()), None)
    if bad is not None:
        raise InputError(f"{name} holds weights that are not finite ({bad}): leave it out, or train it again.")


def _other(name: str, last: str, what: str) -> str:
    return f"{name} and {last} are not of one architecture ({what}), and only such weights can be averaged."
