"""Every setting of a run with its value, as ``config.yaml`` keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelheir.runs.files import write_text

if TYPE_CHECKING:
    from modelheir.config.run import TrainConfig
    from modelheir.runs.folder import RunFolder

__all__ = ["default_model", "resolved", "write_config"]


def default_model(image_size: int) -> str:
    """Return a sensible network for an image size in pixels: small images keep their resolution through the stem."""
    if image_size <= 16:
        return "convnet"
    return "resnet8" if image_size <= 64 else "tv:resnet18"


def resolved(method: str, config: TrainConfig, settings: Any) -> dict[str, Any]:
    """Return every setting of the run as plain values, in the shape that ``--config`` reads."""
    from modelheir.config.run import to_mapping

    return {"train": method, **to_mapping(config), "method": to_mapping(settings)}


def write_config(folder: RunFolder, settings: Mapping[str, Any]) -> None:
    """Write what :func:`resolved` returned; training from this file repeats the run."""
    import yaml

    write_text(folder.config, yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True))
