"""Pages of models: their numbers with what is found beside them, pictures, training curves, provenance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelheir import data as datasets
from modelheir import report
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.config.mapping import from_mapping, read_yaml
from modelheir.runs.files import read_mapping
from modelheir.runs.folder import RunFolder
from modelheir.runs.trackers import read_metrics

if TYPE_CHECKING:
    from modelheir.analysis.comparison import Comparison
    from modelheir.analysis.flipped import Flipped

__all__ = ["comparison_page", "find_images", "gallery_images", "run_curves", "run_provenance"]

Images = Callable[[list[str]], dict[str, bytes]]


def comparison_page(
    path: Path,
    found: Comparison,
    flipped: Flipped,
    *,
    names: tuple[str, str],
    runs: Mapping[str, Path],
    data: str = "",
    command: Sequence[str] = (),
) -> Path:
    """Write the page of one comparison.

    Args:
        path: Where it goes.
        found: The comparison.
        flipped: The images of the gallery.
        names: What to call the two models.
        runs: Those of all models that are run folders, by name.
        data: Where pictures are; empty looks where the new run, else the old one, was trained.
        command: What was typed.
    """
    where = next((runs[name] for name in reversed(names) if name in runs), None)
    return report.write_compare(
        path,
        found,
        flipped=flipped,
        names=names,
        images=find_images(data, where),
        curves={name: rows for name, place in runs.items() if (rows := run_curves(place))},
        provenance={
            "this comparison": {"command": command, "old": found.old, "new": found.new},
            **{name: run_provenance(place) for name, place in runs.items()},
        },
    )


def find_images(data: str, run: Path | None) -> Images | None:
    """Return a function from sample ids to pictures; ``None`` where neither data nor a run is known.

    Args:
        data: Where pictures are; must be readable. Empty takes the run's own data, and no picture where that is not at
            hand any more.
        run: A run folder, whose way of reading the data is taken.
    """
    if data:
        return gallery_images(data, run)
    if run is None or not RunFolder(run).config.is_file():
        return None
    read = gallery_images(str(read_yaml(RunFolder(run).config).get("data", "digits")), run)

    def images(ids: list[str]) -> dict[str, bytes]:
        try:
            return read(ids)
        except (InputError, OSError):
            return {}

    return images


def gallery_images(data: str, run: Path | str | None = None) -> Images:
    """Return a function from sample ids to PNG bytes, reading ``data`` the way ``run`` did.

    Ids that the data does not hold are left out.
    """

    def images(ids: list[str]) -> dict[str, bytes]:
        inputs = InputConfig()
        if run is not None and RunFolder(run).config.is_file():
            inputs = from_mapping(InputConfig, read_yaml(RunFolder(run).config).get("inputs", {}))
        found: dict[str, bytes] = {}
        for split in datasets.open_splits(data, inputs).values():
            wanted = sorted(set(ids) & set(split.ids.tolist()))
            found |= datasets.encode_png(split, wanted)
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
