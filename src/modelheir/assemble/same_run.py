"""Whether a run folder goes on with a run: the same settings, on the same data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelheir.checks import InputError
from modelheir.runs.files import read_json

if TYPE_CHECKING:
    from modelheir.data.fingerprints import Fingerprint
    from modelheir.runs.folder import RunFolder

__all__ = ["accept_data", "accept_settings"]

#: settings that say where or how loudly a run happens, and do not change its numbers
_PRIVATE = ("out", "device", "quiet", "trackers", "allow_weak_teacher")


def accept_settings(folder: RunFolder, wanted: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Refuse a folder that holds a trained stage of other settings, naming the first that differs.

    A setting that an older version wrote nothing about had its default.
    """
    import yaml

    if not folder.config.is_file() or not _trained(folder):
        return
    before = _flat(yaml.safe_load(folder.config.read_text(encoding="utf-8")) or {})
    now, usual = _flat(wanted), _flat(defaults)
    for key in {**before, **now}:
        old, new = before.get(key, usual.get(key)), now.get(key)
        if old != new and key.split(".")[0] not in _PRIVATE:
            raise InputError(
                f"{folder.path} holds a run with {key} = {old!r}, and this one has {new!r}: give another --out, "
                "or the same settings to resume."
            )


def accept_data(folder: RunFolder, data: Mapping[str, Fingerprint]) -> None:
    """Refuse a folder that holds a trained stage of other data, naming the first split that differs."""
    if not folder.environment.is_file() or not _trained(folder):
        return
    before: dict[str, Any] = read_json(folder.environment).get("data") or dict(data)  # none noted: nothing to hold
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
