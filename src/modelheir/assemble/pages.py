"""What a page needs besides numbers: pictures of flipped images, training curves, provenance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelheir.runs.files import read_mapping
from modelheir.runs.folder import RunFolder
from modelheir.runs.trackers import read_metrics

__all__ = ["gallery_images", "run_curves", "run_provenance"]


def gallery_images(data: str, run: Path | str | None = None) -> Callable[[list[str]], dict[str, bytes]]:
    """Return a function from sample ids to PNG bytes, reading ``data`` the way ``run`` did.

    Ids that the data does not hold are left out.
    """

    def images(ids: list[str]) -> dict[str, bytes]:
        from modelheir.config.inputs import InputConfig
        from modelheir.config.mapping import from_mapping, read_yaml
        from modelheir.data import encode_png, open_splits

        inputs = InputConfig()
        if run is not None and RunFolder(run).config.is_file():
            inputs = from_mapping(InputConfig, read_yaml(RunFolder(run).config).get("inputs", {}))
        found: dict[str, bytes] = {}
        for split in open_splits(data, inputs).values():
            wanted = sorted(set(ids) & set(split.ids.tolist()))
            found |= encode_png(split, wanted)
        return found

    return images


def run_curves(run: Path | str) -> list[dict[str, Any]]:
    """Return the rows of a run's ``metrics.jsonl``, or none where it has none."""
    return read_metrics(RunFolder(run).metrics)


def run_provenance(run: Path | str) -> dict[str, Any]:
    """Return a run's ``environment.json`` with its folder, or only the folder where there is none."""
    path = RunFolder(run).environment
    about = read_mapping(path, "Restore it, or remove it") if path.is_file() else {}
    return {"folder": str(run), **about}
