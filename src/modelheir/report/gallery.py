"""The flipped images of a page with their pictures, which become ``data:`` addresses."""

from __future__ import annotations

import base64
import dataclasses
import io
import warnings
from collections.abc import Callable

from PIL import Image, UnidentifiedImageError

from modelheir.analysis.flipped import Flip, Flipped

__all__ = ["KINDS", "Card", "Gallery", "Images", "data_address", "illustrated"]

KINDS = {"negative": "newly wrong", "positive": "mended", "neutral": "wrong in both, but differently"}
_EDGE = 160  #: pixels; larger pictures are scaled down to this
_SMALL = 64  #: pixels; smaller pictures are shown with hard edges
_BYTES = 24_000  #: files up to this size are embedded as they are
_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}

Images = Callable[[list[str]], dict[str, bytes]]


@dataclasses.dataclass(frozen=True)
class Card:
    """One flipped image and its picture."""

    flip: Flip
    address: str = ""  #: ``data:`` address of the picture, empty where there is none
    small: bool = False  #: the picture has few pixels and should be shown with hard edges


@dataclasses.dataclass(frozen=True)
class Gallery:
    """The cards of a page."""

    flipped: Flipped
    cards: tuple[Card, ...]
    pictured: bool  #: there is a picture of at least one


def illustrated(flipped: Flipped, images: Images | None = None) -> Gallery:
    """Put pictures to flipped images.

    Args:
        flipped: The chosen images.
        images: Takes sample ids and returns encoded pictures of those it has; ``None`` shows cards without pictures.
    """
    ids = [flip.sample_id for flip in flipped.flips]
    pictures = images(ids) if images is not None and ids else {}
    cards = tuple(
        Card(flip, *data_address(pictures[flip.sample_id])) if flip.sample_id in pictures else Card(flip)
        for flip in flipped.flips
    )
    return Gallery(flipped, cards, pictured=bool(pictures))


def data_address(content: bytes) -> tuple[str, bool]:
    """Encode a picture for the page; large ones are scaled down, unreadable ones give an empty address.

    Returns:
        The ``data:`` address and whether the picture has few pixels.
    """
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(content)) as picture:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture.load()
            small = max(picture.size) < _SMALL
            kind = next((name for start, name in _SIGNATURES.items() if content.startswith(start)), "")
            if not kind or len(content) > _BYTES:
                picture = picture.convert("RGB")
                picture.thumbnail((_EDGE, _EDGE))
                store = io.BytesIO()
                picture.save(store, "JPEG", quality=85)
                content, kind = store.getvalue(), "image/jpeg"
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return "", False
    return f"data:{kind};base64,{base64.b64encode(content).decode()}", small
