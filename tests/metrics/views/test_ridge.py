import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.metrics.views import ridge
from modelheir.metrics.views.ridge import fit_ridge


def draw(seed, n=30, d=5, k=2, noise=1.0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, d)) * generator.uniform(0.1, 10, d) + 3
    return x, x @ generator.normal(size=(d, k)) + noise * generator.normal(size=(n, k)) + 7


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 99), st.sampled_from([(30, 5), (8, 20)]))
def test_against_the_normal_equations(seed, shape):
    n, d = shape
    x, y = draw(seed, n, d)
    found = fit_ridge(x, y)
    scaled = (x - x.mean(0)) / x.std(0)
    weights = np.linalg.solve(scaled.T @ scaled + found.penalty * np.eye(d), scaled.T @ (y - y.mean(0)))
    np.testing.assert_allclose(found.predict(x), scaled @ weights + y.mean(0), rtol=1e-6, atol=1e-6)


def test_the_penalty_has_the_least_generalised_cross_validation():
    x, y = draw(1, noise=30.0)
    scaled, rest = (x - x.mean(0)) / x.std(0), y - y.mean(0)
    largest = np.linalg.eigvalsh(scaled.T @ scaled)[-1]
    scores = []
    for penalty in ridge.PENALTIES * largest:
        hat = scaled @ np.linalg.solve(scaled.T @ scaled + penalty * np.eye(5), scaled.T) + 1 / 30
        scores.append(((rest - (hat - 1 / 30) @ rest) ** 2).sum() / 30 / (1 - np.trace(hat) / 30) ** 2)
    assert fit_ridge(x, y).penalty == pytest.approx(ridge.PENALTIES[int(np.argmin(scores))] * largest)


@pytest.mark.extras
def test_against_scikit_learn():
    from sklearn.linear_model import Ridge

    x, y = draw(2)
    found = fit_ridge(x, y, penalties=np.array([0.3]))
    wanted = Ridge(found.penalty).fit((x - x.mean(0)) / x.std(0), y)
    np.testing.assert_allclose(found.predict(x), wanted.predict((x - x.mean(0)) / x.std(0)))


def test_columns_of_any_scale_and_constant_ones():
    x, y = draw(3)
    plain = fit_ridge(x, y).predict(x)
    np.testing.assert_allclose(
        fit_ridge(x * [1e-6, 1, 1e6, 1, 1], y).predict(x * [1e-6, 1, 1e6, 1, 1]), plain, rtol=1e-6
    )
    wider = np.column_stack([x, np.full(len(x), 5.0)])
    np.testing.assert_allclose(fit_ridge(wider, y).predict(wider), plain, rtol=1e-9)
    assert (fit_ridge(np.ones_like(x), y).predict(x[:2]) == y.mean(0)).all()


def test_noise_is_shrunk_away_and_a_line_is_not():
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(200, 50)), generator.normal(size=(200, 1))
    assert fit_ridge(x, y).penalty > 1e-1 * (x.T @ x)[0, 0]
    x, y = draw(4, noise=0.0)
    np.testing.assert_allclose(fit_ridge(x, y).predict(x), y, rtol=1e-4)


def test_errors():
    x, y = draw(0)
    for wrong, words in (((x[:2], y[:2]), "rows must be >= 3"), ((x, y[:4]), "lengths must be equal"),
                         ((x * np.nan, y), "vectors must be finite"), ((x, y[:, 0]), "two dimensions")):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            fit_ridge(*wrong)
