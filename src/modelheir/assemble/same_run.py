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
    from modelheir.data.fingerprints import Fingerprint
    from modelheir.runs.folder import RunFolder

__all__ = ["accept_data", "accept_settings"]

#: settings that say where or how loudly a run happens, and do not change its numbers
_PRIVATE = ("out", "device", "quiet", "trackers", "allow_weak_teacher")


def accept_settings(folder: RunFolder, wanted: Mapping[str, Any], defaults: Mapping[str, Any], train: ImageSet) -> None:
    """Refuse a folder that holds a trained stage of other settings, naming the first that differs.

    A setting that an older version wrote nothing about had its default; one that it left open ("auto", 0) is compared
    as that version chose it for the training images ``train``.
    """
    if not folder.config.is_file() or not _trained(folder):
        return
    before = _flat(_as_chosen(read_yaml(folder.config), wanted, train, str(folder.config)))
    now, usual = _flat(wanted), _flat(defaults)
    for key in {**before, **now}:
        old, new = before.get(key, usual.get(key)), now.get(key)
        if old != new and key.split(".")[0] not in _PRIVATE:
            raise InputError(
                f"{folder.path} holds a run with {key} = {old!r}, and this one has {new!r}: give another --out, "
                "or the same settings to resume."
            )


def _as_chosen(before: Mapping[str, Any], wanted: Mapping[str, Any], train: ImageSet, source: str) -> dict[str, Any]:
    """Return the settings of a folder with what an older version left open; newer ones leave nothing open."""
    from modelheir.config.run import TrainConfig, from_mapping, to_mapping
    from modelheir.data import resolve

    found = dict(before)
    if "trainable" in (own := dict(found.get("method") or {})):  # of finetune, before every method had it
        found |= {"trainable": own.pop("trainable"), "method": own}
    then = from_mapping(TrainConfig, {key: found[key] for key in ("data", "inputs") if key in found}, source=source)
    if then.inputs.mirror is None:
        mirrored = then.data != "digits" if then.inputs.augment == "auto" else None  # what "auto" did
        found["inputs"] = to_mapping(resolve(dataclasses.replace(then.inputs, mirror=mirrored), train))
    return found if found.get("model") else {**found, "model": wanted["model"]}


def accept_data(folder: RunFolder, data: Mapping[str, Fingerprint]) -> None:
    """Refuse a folder that holds a trained stage of other data, naming the first split that differs."""
    if not folder.environment.is_file() or not _trained(folder):
        return
    advice = "Restore it, or give another --out"
    before: Any = read_mapping(folder.environment, advice).get("data") or dict(data)  # none noted: nothing to hold
    if not isinstance(before, Mapping) or not all(isinstance(found, Mapping) for found in before.values()):
        raise InputError(f"{folder.environment} is damaged: its data are no fingerprints of splits. {advice}.")
    for name in {**before, **data}:
        old, new = ({**found.get(name, {}), "name": ""} for found in (before, data))
        if old != new:
            raise InputError(
                f"{folder.path} holds a run on other data: the {name} split has changed since it was trained. Give "
                "another --out, or restore the data to resume."
            )


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
