"""The flipped images of a page: which ones are shown, of which kind, and their pictures as ``data:`` addresses."""

from __future__ import annotations

import base64
import dataclasses
import io
import warnings
from collections.abc import Callable

import numpy as np
from PIL import Image, UnidentifiedImageError

from modelheir import checks
from modelheir.analysis.pairing import Side, pair_up
from modelheir.metrics.confidence import softmax
from modelheir.metrics.outcomes import OUTCOMES, outcomes
from modelheir.types import Predictions

__all__ = ["CAP", "KINDS", "Card", "Gallery", "data_address", "flipped"]

CAP = 200  #: cards on a page, so that it stays small enough to mail
KINDS = {"negative": "newly wrong", "positive": "mended", "neutral": "wrong in both, but differently"}
_OUTCOME = {"negative": "negative_flip", "positive": "positive_flip", "neutral": "other_error"}
_EDGE = 160  #: pixels; larger pictures are scaled down to this
_SMALL = 64  #: pixels; smaller pictures are shown with hard edges
_BYTES = 24_000  #: files up to this size are embedded as they are
_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}

Images = Callable[[list[str]], dict[str, bytes]]


@dataclasses.dataclass(frozen=True)
class Card:
    """One flipped image."""

    sample_id: str
    kind: str  #: a key of ``KINDS``
    label: str
    old: str  #: class the old model predicts
    new: str
    old_confidence: float | None  #: probability of the predicted class, ``None`` where unknown
    new_confidence: float | None
    address: str = ""  #: ``data:`` address of the picture, empty where there is none
    small: bool = False  #: the picture has few pixels and should be shown with hard edges


@dataclasses.dataclass(frozen=True)
class Gallery:
    """The cards of a page and the counts before any were left out."""

    cards: tuple[Card, ...]
    totals: dict[str, int]  #: kind to number of such images in the data
    pictured: bool  #: pictures were at hand

    @property
    def total(self) -> int:
        """Flipped images in the data, shown or not."""
        return sum(self.totals.values())

    @property
    def classes(self) -> list[tuple[str, int]]:
        """Labels among the cards with their number of cards, by name."""
        names = [card.label for card in self.cards]
        return sorted((name, names.count(name)) for name in set(names))

    def shown(self, kind: str) -> int:
        """Return how many cards are of one kind."""
        return sum(card.kind == kind for card in self.cards)


def flipped(old: Predictions, new: Predictions, *, images: Images | None = None, cap: int = CAP) -> Gallery:
    """Collect the images on which the two models differ in a way that matters.

    Each kind of flip has a third of the places; what one kind leaves free goes to new mistakes first. Within a kind
    the classes take turns, and a class gives the images first on which the new model is surest of itself.

    Args:
        old: What the old model said; rows are matched by sample id. Unlabelled rows (-1) are left out.
        new: What the new model said.
        images: Takes sample ids and returns encoded pictures of those it has; ``None`` shows cards without pictures.
        cap: Largest number of cards, ``>= 1``.

    Returns:
        The cards, new mistakes first, and the counts.

    Raises:
        InputError: If the two do not describe the same images.
        ValueError: If ``cap`` is out of range.
    """
    checks.at_least(1, cap=cap)
    pair = pair_up(old, new, names=("the old file", "the new file"))
    codes = outcomes(pair.old.prediction, pair.new.prediction, pair.label)
    found = {kind: np.flatnonzero(codes == OUTCOMES.index(name)) for kind, name in _OUTCOME.items()}
    order = {kind: _take_turns(places, pair.label, _confidence(pair.new, places)) for kind, places in found.items()}
    share = _shares({kind: len(places) for kind, places in found.items()}, cap)
    chosen = [(kind, int(row)) for kind, places in order.items() for row in places[: share[kind]]]
    ids = [str(pair.sample_id[row]) for _, row in chosen]
    at = np.array([row for _, row in chosen], dtype=np.int64)
    sure_old, sure_new = _confidence(pair.old, at), _confidence(pair.new, at)
    pictures = images(ids) if images is not None and ids else {}
    cards = []
    for place, ((kind, row), name) in enumerate(zip(chosen, ids, strict=True)):
        address, small = data_address(pictures[name]) if name in pictures else ("", False)
        cards.append(
            Card(
                sample_id=name,
                kind=kind,
                label=pair.class_name(int(pair.label[row])),
                old=pair.class_name(int(pair.old.prediction[row])),
                new=pair.class_name(int(pair.new.prediction[row])),
                old_confidence=None if sure_old is None else float(sure_old[place]),
                new_confidence=None if sure_new is None else float(sure_new[place]),
                address=address,
                small=small,
            )
        )
    return Gallery(tuple(cards), {kind: len(places) for kind, places in found.items()}, images is not None)


def _confidence(side: Side, rows: np.ndarray) -> np.ndarray | None:
    """Probability of the predicted class on some images of the pair; ``None`` where the file has no scores."""
    scores = side.scores()
    if scores is None:
        return None
    rows = rows if side.rows is None else side.rows[rows]
    probabilities = scores[rows] if side.predictions.logits is None else softmax(scores[rows])
    at = np.asarray(side.predictions.prediction)[rows, None]
    return np.take_along_axis(probabilities, at, axis=1)[:, 0]


def _take_turns(rows: np.ndarray, label: np.ndarray, sure: np.ndarray | None) -> np.ndarray:
    """Order rows so that classes alternate, the surest of each class first; ``sure`` goes with ``rows``."""
    if not len(rows):
        return rows
    strength = np.zeros(len(rows)) if sure is None else -sure
    rows = rows[np.lexsort((rows, strength, label[rows]))]
    starts = np.flatnonzero(np.r_[True, np.diff(label[rows]) != 0])
    turn = np.arange(len(rows)) - np.repeat(starts, np.diff(np.r_[starts, len(rows)]))
    return rows[np.lexsort((label[rows], turn))]


def _shares(found: dict[str, int], cap: int) -> dict[str, int]:
    """Share ``cap`` places over the kinds; no kind gets more than it has."""
    places = {kind: min(number, cap // len(found)) for kind, number in found.items()}
    for kind, number in found.items():
        places[kind] += min(number - places[kind], cap - sum(places.values()))
    return places


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
