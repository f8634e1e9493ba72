import numpy as np
import pytest
from scipy.stats import entropy as oracle

from modelheir.metrics.bayesian_update import (
    STRATEGIES,
    bayesian_update,
    confusion_from_labels,
    entropy,
    few_label_confusion,
    most_uncertain,
    update_belief,
)

C = 3
EVEN = np.full((C, C), 0.1) + 0.7 * np.eye(C)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_worked_example(strategy):
    found = bayesian_update([[0], [1]], [EVEN, EVEN], strategy=strategy, cost_ratio=2)
    np.testing.assert_allclose(found.posterior, [[0.4706, 0.4706, 0.0588]], atol=5e-5)
    assert found.label.tolist() == [0]
    assert found.asked.tolist() == [1, 1]


def plain(predictions, confusions, strategy, ratio):
    """A loop over images, with the rules as the paper states them."""
    labels = []
    for i in range(len(predictions[0])):
        belief = np.full(C, 1 / C)
        stored = predictions[0][i]
        last = np.inf
        for t, (said, table) in enumerate(zip(predictions, confusions, strict=True)):
            belief = belief * table[said[i]]
            belief /= belief.sum()
            now = oracle(belief)
            best = int(np.argmax(belief))
            better = belief[best] > belief[stored] * (1 + 1e-12)
            if t and strategy == "MB" and better:
                stored = best
            if t and strategy == "MBME" and better and now < last:
                stored = best
            if t and strategy == "CR" and belief[best] / belief[stored] > ratio:
                stored = best
            last = now
        labels.append(stored)
    return labels


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_against_a_loop(strategy):
    rng = np.random.default_rng(0)
    confusions = [rng.dirichlet(np.full(C, 0.7), size=C).T * 0.6 + 0.4 * np.eye(C) for _ in range(5)]
    predictions = rng.integers(0, C, (5, 200))
    found = bayesian_update(predictions, confusions, strategy=strategy, cost_ratio=2.5)
    assert found.label.tolist() == plain(predictions, confusions, strategy, 2.5)
    np.testing.assert_allclose(found.posterior.sum(1), 1)


def test_entropy_of_a_certain_belief_is_zero_not_nan():
    rows = np.array([[1.0, 0.0, 0.0], [0.2, 0.3, 0.5]])
    np.testing.assert_allclose(entropy(rows), [0, oracle(rows[1])])
    sharp = np.eye(C)  # answers that are always right drive probabilities to exactly zero
    soft = np.full((C, C), 1 / C)
    found = bayesian_update([[0], [1], [1]], [soft, sharp, sharp], strategy="MBME")
    assert found.label.tolist() == [1]
    assert np.isfinite(found.posterior).all()


def test_belief_moves_though_the_label_does_not():
    weak = np.full((C, C), 0.2) + 0.4 * np.eye(C)
    once = bayesian_update([[0], [1]], [EVEN, weak], strategy="MBME")
    assert once.label.tolist() == [0]
    assert once.posterior[0, 1] > EVEN[1, 0]
    assert bayesian_update([[0], [1], [1]], [EVEN, weak, EVEN], strategy="MBME").label.tolist() == [1]


def test_an_impossible_answer_keeps_the_belief():
    belief = np.array([[1.0, 0.0, 0.0]])
    np.testing.assert_array_equal(update_belief(belief, np.array([1]), np.eye(C)), belief)


def test_budget_asks_the_most_uncertain():
    unsure = np.array([[0.34, 0.33, 0.33], [0.9, 0.05, 0.05], [0.5, 0.4, 0.1]])
    assert most_uncertain(unsure, count=2).tolist() == [0, 2]
    assert most_uncertain(unsure, count=9).tolist() == [0, 1, 2]
    first = np.zeros(10, int)
    found = bayesian_update([first, np.ones(10, int)], [EVEN, EVEN], strategy="MB", budget=0.3)
    assert found.asked.tolist() == [10, 3]
    assert (found.posterior[:, 1] > 0.3).sum() == 3
    none = bayesian_update([first, np.ones(10, int)], [EVEN, EVEN], budget=0)
    assert (none.label == 0).all()


def test_confusions():
    prediction, label = np.array([0, 0, 2, 1]), np.array([0, 1, 2, 1])
    full = confusion_from_labels(prediction, label, classes=C)
    np.testing.assert_allclose(full.sum(0), 1)
    assert full[0, 1] == pytest.approx(2 / 5)  # answer 0 where class 1 is true, one of two, smoothed
    few = few_label_confusion(prediction, label, classes=C)
    np.testing.assert_allclose(few.sum(0), 1)
    assert few[0, 1] == few[2, 1]
    assert few_label_confusion([0, 0], [0, 0], classes=C)[1, 1] == pytest.approx(3 / 4)  # unseen: the overall accuracy


def test_fewer_negative_flips_than_replacing():
    rng = np.random.default_rng(3)
    label = rng.integers(0, C, 3000)
    said = [np.where(rng.random(3000) < 0.8, label, rng.integers(0, C, 3000)) for _ in range(4)]
    tables = [confusion_from_labels(one[:300], label[:300], classes=C) for one in said]
    found = bayesian_update(said, tables, strategy="CR", cost_ratio=5)
    assert (found.label == label).mean() > (said[-1] == label).mean()
    lost = ((said[0] == label) & (found.label != label)).mean()
    assert lost < ((said[0] == label) & (said[-1] != label)).mean() / 3


def test_errors():
    with pytest.raises(ValueError, match="strategy must be one of MB, MBME, CR"):
        bayesian_update([[0]], [EVEN], strategy="X")
    with pytest.raises(ValueError, match="2 models answered but 1"):
        bayesian_update([[0], [0]], [EVEN])
    with pytest.raises(ValueError, match="budget"):
        bayesian_update([[0]], [EVEN], budget=2)
    with pytest.raises(ValueError, match="at least one labelled"):
        few_label_confusion([], [], classes=2)


def test_confusions_count_as_written():
    prediction, label = np.array([0, 1, 1, 2, 2, 2]), np.array([0, 0, 1, 2, 2, 1])
    full = confusion_from_labels(prediction, label, classes=C, smoothing=0.5)
    counts = np.full((C, C), 0.5)
    for said, true in zip(prediction, label, strict=True):
        counts[said, true] += 1
    np.testing.assert_allclose(full, counts / counts.sum(axis=0))
    few = few_label_confusion(prediction, label, classes=C, smoothing=2.0)
    overall = (4 + 1) / (6 + 2)
    for true, (hits, seen) in enumerate([(1, 2), (1, 2), (2, 2)]):
        own = (hits + 2 * overall) / (seen + 2)
        for said in range(C):
            assert few[said, true] == pytest.approx(own if said == true else (1 - own) / (C - 1))


def test_an_unseen_class_of_the_last_number_has_its_column():
    assert confusion_from_labels([0], [0], classes=4).shape == (4, 4)
    assert few_label_confusion([0], [0], classes=4).shape == (4, 4)


def test_a_tie_keeps_the_stored_label_and_the_ratio_is_strict():
    half = np.full((2, 2), 0.5)
    table = np.array([[0.75, 0.25], [0.25, 0.75]])  # an answer triples the odds of its class, exactly
    said = [np.array([0]), np.array([1])]
    assert bayesian_update(said, [half, table], cost_ratio=2.99).label.tolist() == [1]
    assert bayesian_update(said, [half, table], cost_ratio=3.0).label.tolist() == [0]
    assert bayesian_update(said, [half, half], strategy="MB").label.tolist() == [0]
    assert bayesian_update(said, [half, table], strategy="MB").label.tolist() == [1]


def test_an_answer_that_leaves_the_entropy_as_it_was_does_not_relabel_under_mbme():
    table = np.array([[0.75, 0.25], [0.25, 0.75]])
    said = [np.array([0]), np.array([1]), np.array([1])]
    tables = [table, table, table]
    assert bayesian_update(said[:2], tables[:2], strategy="MBME").label.tolist() == [0]
    assert bayesian_update(said, tables, strategy="MBME").label.tolist() == [1]
    swing = np.array([[0.1, 0.9], [0.9, 0.1]])[::-1]  # from 3:1 for class 0 to 3:1 for class 1
    exact = np.array([[0.9, 0.1], [0.1, 0.9]])
    found = bayesian_update([np.array([0]), np.array([1])], [exact, swing], strategy="MBME")
    assert found.label.tolist() == [0]


def test_equal_uncertainty_asks_the_first_images_and_half_an_image_is_rounded():
    assert most_uncertain(np.full((4, 2), 0.5), count=2).tolist() == [0, 1]
    first = np.zeros(5, int)
    asked = [
        bayesian_update([first, first], [EVEN, EVEN], budget=b).asked.tolist()[1] for b in (0.29, 0.31, 0.69, 0.71)
    ]
    assert asked == [1, 2, 3, 4]


def test_the_first_answer_is_stored_and_not_changed_in_place():
    answers = [np.array([0, 1]), np.array([1, 1])]
    bayesian_update(answers, [np.full((2, 2), 0.5), np.array([[0.9, 0.1], [0.1, 0.9]])], strategy="MB")
    assert answers[0].tolist() == [0, 1]
