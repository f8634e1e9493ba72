"""Whether a run folder goes on with a run: the same settings, on the same data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelheir.checks import InputError
from modelheir.config.mapping import read_yaml
from modelheir.runs.files import read_mapping

if TYPE_CHECKING:
    from modelheir.data import ImageSet
    from modelheir.runs.folder import RunFolder

__all__ = ["accept_read", "accept_settings", "first_difference"]

#: settings that say where or how loudly a run happens, and do not change its numbers
_PRIVATE = ("out", "device", "quiet", "trackers", "allow_weak_teacher")


def accept_settings(folder: RunFolder, wanted: Mapping[str, Any], defaults: Mapping[str, Any], train: ImageSet) -> None:
    """Refuse a folder that holds a trained stage of other settings, naming the first that differs.

    A setting that an older version wrote nothing about had its default; one that it left open ("auto", 0) is compared
    as that version chose it for the training images ``train``. One that it wrote though nothing read it is left aside.

    Args:
        folder: The run folder.
        wanted: What the run reads of its settings.
        defaults: Every setting with its default.
        train: The training images.
    """
    if not folder.config.is_file() or not _trained(folder):
        return
    before = _flat(_as_chosen(read_yaml(folder.config), wanted, train, str(folder.config)))
    now, usual = _flat(wanted), _flat(defaults)
    for key in {**before, **now}:
        if key in usual and key not in now:
            continue  # the choices beside it leave it aside, and those are compared
        old, new = before.get(key, usual.get(key)), now.get(key)
        if old != new and key.split(".")[0] not in _PRIVATE:
            raise InputError(
                f"{folder.path} holds a run with {key} = {old!r}, and this one has {new!r}: give another --out, "
                "or the same settings to resume."
            )


def first_difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
    """Return the first setting that decides numbers and differs, with both values; ``None`` where all are the same.

    >>> first_difference({"fit": {"lr": 0.1}, "quiet": True}, {"fit": {"lr": 0.2}, "quiet": False})
    ('fit.lr', 0.1, 0.2)
    """
    old, new = _flat(before), _flat(now)
    keys = [key for key in {**old, **new} if key.split(".")[0] not in _PRIVATE]
    return next(((key, old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)), None)


def _as_chosen(before: Mapping[str, Any], wanted: Mapping[str, Any], train: ImageSet, source: str) -> dict[str, Any]:
    """Return the settings of a folder with what an older version left open; newer ones leave nothing open."""
    from modelheir.config.run import TrainConfig, from_mapping, to_mapping
    from modelheir.data import resolve

    found = dict(before)
    if isinstance(found.get("fit"), Mapping):  # older versions had one rate for all
        found["fit"] = {"head_multiplier": 1.0, **found["fit"]}
    if "trainable" in (own := dict(found.get("method") or {})):  # of finetune, before every method had it
        found |= {"trainable": own.pop("trainable"), "method": own}
    then = from_mapping(TrainConfig, {key: found[key] for key in ("data", "inputs") if key in found}, source=source)
    if then.inputs.mirror is None:
        mirrored = then.data != "digits" if then.inputs.augment == "auto" else None  # what "auto" did
        found["inputs"] = to_mapping(resolve(dataclasses.replace(then.inputs, mirror=mirrored), train))
    return found if found.get("model") else {**found, "model": wanted["model"]}


def accept_read(folder: RunFolder, held: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse a folder that holds a trained stage of other data or of other models, naming the first that differs.

    Args:
        folder: The run folder.
        held: What is read now: ``data``, ``sources`` and ``models``, as ``environment.json`` keeps them. What an older
            version did not note is not compared, and neither is a model that is gone: loading it says so.
    """
    if not folder.environment.is_file() or not _trained(folder):
        return
    advice = "Restore it, or give another --out"
    found = read_mapping(folder.environment, advice)
    noted = {key: found[key] for key in held if found.get(key)}
    try:
        before, now = _named(noted), _named({key: held[key] for key in noted})
    except (AttributeError, TypeError) as error:
        raise InputError(
            f"{folder.environment} is damaged: its data are no fingerprints of splits. {advice}."
        ) from error
    for what in {**before, **now}:
        gone = what not in now and isinstance(before[what], str)  # the file of a model
        if before.get(what) != now.get(what) and not gone:
            kind, that = ("another model", "file") if isinstance(now.get(what), str) else ("other data", "data")
            raise InputError(
                f"{folder.path} holds a run on {kind}: {what} has changed since it was trained. Give another --out, or "
                f"restore the {that} to resume."
            )


def _named(held: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return every fingerprint (a mapping) and digest (text) by what it is of."""
    splits = {f"the {split} split": found for split, found in held.get("data", {}).items()}
    for source, own in held.get("sources", {}).items():
        splits |= {f"the {split} split of {source}": found for split, found in own.items()}
    files = {
        f"{file} of {flag} {address}": found
        for flag, addresses in held.get("models", {}).items()
        for address, own in addresses.items()
        for file, found in own.items()
    }
    return {**{what: {**found, "name": ""} for what, found in splits.items()}, **files}


def _trained(folder: RunFolder) -> bool:
    return folder.begun or folder.status().get("state") == "finished"


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{name}.")
        else:
            flat[name] = list(value) if isinstance(value, tuple) else value
    return flat
