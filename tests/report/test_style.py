"""The style sheet: letters can be read on their ground in the light, dark and print colours (WCAG 2.1, level AA)."""

import re
from importlib import resources

import pytest

from modelheir.report.figures.series import STYLES

STYLE = resources.files("modelheir.report").joinpath("templates", "page.css").read_text(encoding="utf-8")
SCHEMES = [
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})", block)) for block in re.findall(r":root \{(.*?)\}", STYLE, re.S)
]
PAIRS = [
    *((ink, ground) for ink in ("ink", "soft", "accent", "pos", "neg") for ground in ("bg", "card")),
    *(("ink", "hold-bg"), ("ink", "ship-bg"), ("ink", "none-bg"), ("soft", "none-bg"), ("soft", "ship-bg")),
    *(("neg", "hold-bg"), ("pos", "ship-bg"), ("soft", "faint"), ("soft", "hold-bg"), ("open", "open-bg")),
    *(("ink", "open-bg"), ("soft", "open-bg"), ("pos", "open-bg"), ("pos", "hold-bg"), ("open", "hold-bg")),
]


def luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_there_are_three_schemes_and_the_measure_is_right():
    assert len(SCHEMES) == 3
    assert contrast("#000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("number", range(3), ids=["light", "dark", "print"])
def test_words_have_contrast(number):
    colours = {**SCHEMES[0], **SCHEMES[number]}
    poor = {
        (a, b): round(contrast(colours[a], colours[b]), 2) for a, b in PAIRS if contrast(colours[a], colours[b]) < 4.5
    }
    assert not poor


@pytest.mark.parametrize("number", range(2), ids=["light", "dark"])
def test_lines_of_the_figures_have_contrast(number):
    colours = SCHEMES[number]
    names = [*(f"s{k}" for k in range(STYLES)), "old", "new", "pos", "neg"]
    assert not {name for name in names if contrast(colours[name], colours["card"]) < 3}


@pytest.mark.parametrize("number", range(2), ids=["light", "dark"])
def test_no_two_series_share_a_colour_or_dashes(number):
    assert len({SCHEMES[number][f"s{k}"] for k in range(STYLES)}) == STYLES
    dashes = {k: re.findall(rf"\.curve\.s{k} {{ stroke-dasharray: ([\d ]+);", STYLE) for k in range(STYLES)}
    assert [k for k, found in dashes.items() if not found] == [0]  # the first is a whole line
    assert len({tuple(found) for found in dashes.values()}) == STYLES


def test_the_style_asks_for_nothing_from_outside():
    assert "@import" not in STYLE
    assert "url(" not in STYLE
