"""What was found of several views, as typed tables that can say themselves in plain words."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from modelheir.analysis.record import Rate, Record

__all__ = ["Gain", "TranslationRow", "ViewFitness", "ViewPair", "ViewRow"]


@dataclasses.dataclass(frozen=True)
class ViewRow(Record):
    """One view, or several together."""

    name: str
    accuracy: Rate
    calibration_error: float  #: expected calibration error, 15 bins of equal width, 0 to 1


@dataclasses.dataclass(frozen=True)
class ViewPair(Record):
    """Two views side by side; shares are fractions of all images, unless they say otherwise."""

    first: str
    second: str
    agreement: float  #: the same prediction, right or wrong
    first_alone: Rate  #: the first view is right where the second is wrong
    second_alone: Rate
    first_saves: float | None  #: the same as a share of the second view's errors; ``None`` where it makes none
    second_saves: float | None
    both_wrong: float
    both_wrong_expected: float  #: if they erred independently given the class
    q: float | None  #: Yule's Q of their errors, -1 to 1; ``None`` where a view is always right or always wrong
    phi: float | None  #: correlation of their errors
    dependence: float | None  #: share of what the predictions could tell of each other given the class; 0: nothing
    dependence_p: float  #: of independence given the class


@dataclasses.dataclass(frozen=True)
class Gain(Record):
    """How much more accurate one is than another, on the same images."""

    of: str
    over: str
    gain: Rate  #: difference of the accuracies, -1 to 1, with its paired interval
    p: float  #: McNemar's, exact and two-sided


@dataclasses.dataclass(frozen=True)
class ViewFitness(Record):
    """Everything that was found."""

    n: int  #: labelled images
    rule: str  #: of the joint prediction
    views: tuple[ViewRow, ...]
    pairs: tuple[ViewPair, ...]
    together: tuple[ViewRow, ...]  #: the joint prediction; then the concatenation and the taught views, where given
    any_right: Rate  #: at least one view is right: what a perfect choice among them would reach
    gains: tuple[Gain, ...]

    def sentences(self) -> tuple[str, ...]:
        """Return what was found in plain words, rates in percent."""
        rows = [*self.views, *self.together]
        each = _listed([f"{row.name} has {_percent(row.accuracy)} right" for row in rows])
        said = [f"Of {self.n:,} images, {each}; at least one view is right on {_percent(self.any_right)}."]
        for pair in self.pairs:
            said.append(
                f"{pair.first} and {pair.second} agree on {pair.agreement:.1%}; {pair.first} alone is right on "
                f"{_percent(pair.first_alone)}, {pair.second} alone on {_percent(pair.second_alone)}: that is what "
                "they can teach each other."
            )
            said.append(
                f"Both are wrong on {pair.both_wrong:.1%}; if they erred independently given the class it would be "
                f"{pair.both_wrong_expected:.1%}. {_dependence(pair)}"
            )
        for gain in self.gains:
            low, high = gain.gain.interval or (None, None)
            clear = "" if low is None or high is None or low > 0 or high < 0 else ", which may be chance"
            said.append(f"{gain.of} against {gain.over}: {_points(gain.gain)}{clear}.")
        return tuple(said)


@dataclasses.dataclass(frozen=True)
class TranslationRow(Record):
    """The vectors of one view translated into another view, on images that had no part in fitting."""

    source: str
    target: str
    own_accuracy: float  #: of a linear probe of the target view
    translated_accuracy: float  #: of a linear probe of the translation
    source_accuracy: float  #: of a linear probe of the source view
    chance: float  #: of the most frequent class
    ratio: float | None  #: of what the target knows beyond chance, carried by the source; ``None``: it knows nothing
    explained: float | None  #: share of the target's variance that the translation explains
    explained_within: float | None  #: the same within the classes: about 0 where independent given the class

    def sentence(self) -> str:
        """Return what was found in plain words."""
        carried = "nothing to carry" if self.ratio is None else f"{self.ratio:.0%} of what is beyond chance"
        within = ""
        if self.explained_within is not None:
            within = (
                f" Within the classes {self.source} explains {max(self.explained_within, 0):.0%} of {self.target}; "
                "of views that are independent given the class it would be nothing."
            )
        return (
            f"A linear probe of {self.target} has {self.own_accuracy:.1%} right, one of {self.source} translated into "
            f"{self.target} {self.translated_accuracy:.1%}: {carried}.{within}"
        )


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _percent(rate: Rate) -> str:
    low, high = rate.interval or (0.0, 1.0)
    return f"{rate.value:.1%} [{low:.1%}, {high:.1%}]"


def _points(rate: Rate) -> str:
    low, high = rate.interval or (-1.0, 1.0)
    return f"{100 * (rate.value or 0):+.1f} points [{100 * (low or 0):+.1f}, {100 * (high or 0):+.1f}]"


def _dependence(pair: ViewPair) -> str:
    if pair.dependence is None:
        return "Given the class their predictions do not vary, so nothing can be said of dependence."
    if pair.dependence_p > 0.05:
        return "Given the class, no dependence of their predictions was found."
    return (
        f"Given the class, their predictions share {max(pair.dependence, 0):.0%} of what they could "
        f"(p = {pair.dependence_p:.3g}): the less, the better they teach."
    )
