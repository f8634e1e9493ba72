import json

import numpy as np
import pytest

from modelheir.analysis.views.translations import view_translations
from modelheir.checks import InputError
from modelheir.metrics.views.translation import translation

N = 300


@pytest.fixture
def views():
    generator = np.random.default_rng(0)
    label = generator.integers(0, 3, N)
    means = 3 * np.eye(3)
    vectors = {name: means[label] + generator.normal(size=(N, 3)) for name in ("left", "right")}
    return vectors | {"noise": generator.normal(size=(N, 2))}, label, np.arange(N) % 2 == 0


def test_all_pairs_in_both_directions(views):
    rows = view_translations(*views)
    names = ("left", "right", "noise")
    assert [(row.source, row.target) for row in rows] == [(a, b) for a in names for b in names if a != b]
    vectors, label, held_out = views
    expected = translation(vectors["right"], vectors["left"], label, held_out)
    assert {key: getattr(rows[2], key) for key in expected._fields} == expected._asdict()
    json.dumps([row.to_json() for row in rows])


def test_sentences(views):
    rows = view_translations(*views)
    first, rest = rows[0].sentence().split(": ")
    assert first == (
        f"A linear probe of right has {rows[0].own_accuracy:.1%} right, one of left translated into right "
        f"{rows[0].translated_accuracy:.1%}"
    )
    assert rest.startswith(f"{rows[0].ratio:.0%} of what is beyond chance. Within the classes left explains ")
    assert f" {max(rows[0].explained_within, 0):.0%} of right; of views that are independent" in rest
    vectors, label, held_out = views
    still = view_translations({"left": vectors["left"], "still": np.ones((N, 2))}, label, held_out)[0]
    assert still.ratio is None or still.own_accuracy > still.chance
    assert still.explained is None
    assert "Within" not in still.sentence()


def test_says_what_is_wrong(views):
    vectors, label, held_out = views
    with pytest.raises(InputError, match=r"1 view was given \(left\)"):
        view_translations({"left": vectors["left"]}, label, held_out)
    spoilt = vectors["right"].copy()
    spoilt[[3, 8], 1] = np.nan
    with pytest.raises(InputError, match="view right: the vectors of 2 images hold values that are not finite"):
        view_translations(vectors | {"right": spoilt}, label, held_out)
