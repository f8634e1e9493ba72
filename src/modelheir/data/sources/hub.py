"""Image sets of the hub, through the optional package ``datasets``."""

from __future__ import annotations

from collections.abc import Mapping

from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data.images import ImageSet
from modelheir.data.sources.arrow import image_table
from modelheir.data.sources.files import SPLIT_FOLDERS
from modelheir.extras import need

__all__ = ["open_hub"]


def open_hub(place: str, options: Mapping[str, str], config: InputConfig) -> dict[str, ImageSet]:
    """Return the splits of the hub's set ``place``; options ``image`` and ``label`` name its columns.

    Raises:
        InputError: If the package ``datasets`` is not installed, or the set cannot be had.
    """
    need("hub", f"hf:{place}", "datasets")
    import datasets  # type: ignore[import-not-found]

    words = {word: split for split, group in SPLIT_FOLDERS.items() for word in group}
    tables, classes = {}, ()
    try:
        found = datasets.load_dataset(place)
    except (OSError, ValueError) as error:  # not there, private, or no network
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(f"hf:{place} cannot be opened ({reason}): is the name right, and the hub in reach?") from error
    for word, part in found.items():
        if word not in words:
            continue
        image = options.get("image") or ("img" if "img" in part.features else "image")
        label = options.get("label", "label")
        tables[words[word]] = part.cast_column(image, datasets.Image(decode=False)).with_format("arrow")[:]
        classes = tuple(getattr(part.features.get(label), "names", ()))
    if not tables:
        raise InputError(f"hf:{place}: the set has no split called train, validation or test.")
    return image_table(tables, where=f"hf:{place}", options=options, config=config, classes=classes)
