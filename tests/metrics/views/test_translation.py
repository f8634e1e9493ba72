import numpy as np
import pytest

from modelheir.metrics.views.translation import probe_accuracy, translation

N = 900


def views(seed=0, shared=0.0, tells=1.0, classes=3):
    """Two views of a class; ``shared`` noise stands in both, and ``tells`` is how much view a has of the class."""
    generator = np.random.default_rng(seed)
    label = generator.integers(0, classes, N)
    means = 2.5 * np.linalg.qr(generator.normal(size=(6, 6)))[0][:classes]
    noise = generator.normal(size=(N, 6))
    a = tells * means[label] + shared * noise + generator.normal(size=(N, 6))
    b = means[label, ::-1] + shared * noise + generator.normal(size=(N, 6))
    return a, b, label, np.arange(N) >= N // 2


def test_views_that_are_independent_given_the_class_still_carry_it():
    """The limit of the published test: the class is common to both."""
    found = translation(*views())
    assert found.ratio > 0.9
    assert found.explained > 0.2
    assert abs(found.explained_within) < 0.03


def test_noise_that_both_views_share_is_found_within_the_classes():
    within = [translation(*views(shared=share)).explained_within for share in (0.0, 1.0, 3.0)]
    assert within == sorted(within)
    assert within[1] == pytest.approx(1 / 4, abs=0.06)  # var b is 2, and a tells of its shared half a half
    assert within[2] == pytest.approx(81 / 100, abs=0.06)


def test_a_view_that_knows_nothing_carries_nothing():
    found = translation(*views(tells=0.0))
    assert found.ratio < 0.1
    assert found.source_accuracy == pytest.approx(1 / 3, abs=0.08)
    assert found.own_accuracy > 0.75
    assert abs(found.explained_within) < 0.03
    assert found.chance == pytest.approx(1 / 3, abs=0.05)


def test_a_copy_carries_everything():
    a, _, label, held_out = views()
    found = translation(a, 2 * a + 1, label, held_out)
    assert found.ratio == pytest.approx(1)
    assert found.explained == pytest.approx(1)
    assert found.explained_within == pytest.approx(1)
    assert found.own_accuracy == found.source_accuracy == found.translated_accuracy


def test_rows_without_a_label_train_the_translation_and_held_out_ones_nothing():
    a, b, label, held_out = views(shared=1.0)
    few = np.where(~held_out & (np.arange(N) >= 30), -1, label)
    found = translation(a, b, few, held_out)
    assert found.explained == pytest.approx(translation(a, b, label, held_out).explained)
    assert found.own_accuracy < translation(a, b, label, held_out).own_accuracy
    generator = np.random.default_rng(0)
    spoilt = np.where(held_out[:, None], generator.normal(size=a.shape), a)
    fitted = translation(spoilt, b, label, held_out)
    assert fitted.own_accuracy == translation(a, b, label, held_out).own_accuracy
    assert fitted.explained_within < 0


@pytest.mark.extras
def test_probe_against_scikit_learn():
    from sklearn.linear_model import RidgeClassifierCV

    a, _, label, held_out = views(3)
    spread = a[~held_out].std(axis=0)
    fitted = RidgeClassifierCV(np.logspace(-3, 3, 13)).fit(a[~held_out] / spread, label[~held_out])
    expected = (fitted.predict(a[held_out] / spread) == label[held_out]).mean()
    assert probe_accuracy(a, label, ~held_out, held_out) == pytest.approx(expected, abs=0.01)
    assert probe_accuracy(a, 5 * label + 2, ~held_out, held_out) == probe_accuracy(a, label, ~held_out, held_out)


def test_errors():
    a, b, label, held_out = views()
    with pytest.raises(ValueError, match="held-out rows are needed, each with a label"):
        translation(a, b, np.where(held_out, -1, label), held_out)
    with pytest.raises(ValueError, match="held-out rows are needed"):
        translation(a, b, label, np.zeros(N, bool))
    with pytest.raises(ValueError, match="at least two classes"):
        translation(a, b, np.where(held_out, label, 0), held_out)
    with pytest.raises(ValueError, match="lengths must be equal"):
        translation(a, b[1:], label, held_out)
