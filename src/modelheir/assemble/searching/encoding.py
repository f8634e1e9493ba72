"""Encoders that each trial of a search would run anew over all images: the user is told to embed them once."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from modelheir.config.search import Listed, Space
from modelheir.embeddings.facts import NAME

__all__ = ["embed_first"]

_VIEWS = "method.views"  #: the setting that names encoders or folders of views
_CHEAP = ("pixels:", "colour")  #: that run no network


def embed_first(space: Space, own: Any, data: str) -> str:
    """Return the command that computes the views of a search once; "" where they are stored, or cheap.

    Args:
        space: What is tried.
        own: The method's settings.
        data: Whose images.

    Example:
        >>> views = Listed((("tv:resnet18", "pixels:left"), ("tv:resnet18", "timm:vit_tiny_patch16_224")))
        >>> embed_first({"method.views": views}, None, "folder:photos")
        'modelheir embed --data folder:photos --encoder tv:resnet18 timm:vit_tiny_patch16_224 --out views'
    """
    tried = space.get(_VIEWS, Listed((getattr(own, "views", ()),)))
    rows = tried.values if isinstance(tried, Listed) else ()
    addresses = dict.fromkeys(address for row in rows for address in row)
    dear = [one for one in addresses if not one.startswith(_CHEAP) and not (Path(one) / NAME).is_file()]
    return shlex.join(["modelheir", "embed", "--data", data, "--encoder", *dear, "--out", "views"]) if dear else ""
