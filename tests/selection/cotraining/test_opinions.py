import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.selection.cotraining import opinions
from modelheir.selection.cotraining.opinions import agreement, own_opinions, teachings


def draw(seed, views=3, rows=9, classes=4):
    return list(np.random.default_rng(seed).dirichlet(np.ones(classes), size=(views, rows)))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 99), st.integers(2, 5), st.sampled_from([1, 10, 2**18]))
def test_the_others_against_a_loop(seed, views, cells):
    p = draw(seed, views)
    kept, opinions._CELLS = opinions._CELLS, cells
    try:
        found = teachings(p)
    finally:
        opinions._CELLS = kept
    for view in range(views):
        product = np.prod([p[other] for other in range(views) if other != view], axis=0)
        assert found[view].label.tolist() == product.argmax(1).tolist()
        np.testing.assert_allclose(found[view].confidence, product.max(1) ** (1 / (views - 1)), rtol=1e-12)


@pytest.mark.parametrize("views", [2, 3, 4])
def test_views_that_are_all_alike_say_what_one_of_them_does(views):
    (p,) = draw(0, views=1)
    (own,) = own_opinions([p])
    for found in teachings([p] * views):
        assert found.label.tolist() == own.label.tolist()
        np.testing.assert_allclose(found.confidence, own.confidence, rtol=1e-14)


def test_of_two_views_it_is_the_other_ones_own_number():
    one, two = draw(5, views=2)
    found = teachings([one.astype(np.float32), two.astype(np.float32)])
    assert (found[0].confidence == two.astype(np.float32).max(1)).all()
    assert (found[1].label == one.argmax(1)).all()
    assert found[0].confidence.dtype == np.float64


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_probability_of_nothing_does_not_break_the_product(kind):
    sure = np.array([[1.0, 0.0]], kind)
    found = teachings([sure, sure[:, ::-1], sure])
    assert np.isfinite([one.confidence[0] for one in found]).all()
    assert found[1].label.tolist() == [0]
    assert found[1].confidence.tolist() == [1.0]
    assert found[0].confidence[0] < 1e-100  # the two others contradict each other


def test_agreement():
    said = own_opinions([np.eye(3)[[0, 1, 2, 0]], np.eye(3)[[0, 1, 1, 1]], np.eye(3)[[0, 2, 2, 0]]])
    assert agreement(said, np.arange(4)) == 0.25
    assert agreement(said, np.array([1, 2])) == 0
    assert agreement(said, np.array([], int)) == 1


def test_errors():
    (p,) = draw(0, views=1)
    with pytest.raises(ValueError, match="views must be >= 2"):
        teachings([p])
    with pytest.raises(ValueError, match="views must be >= 1"):
        own_opinions([])
    with pytest.raises(ValueError, match="shapes must be equal"):
        teachings([p, p[1:]])
    for wrong in (np.log(p), p + 1, p * np.nan):
        with pytest.raises(ValueError, match="view 1 must hold probabilities from 0 to 1; logits need a softmax"):
            teachings([p, wrong])
