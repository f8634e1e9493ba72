import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.models.blends.greedy import greedy_soup

NUMBERS = st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=7)


def models(values):
    return [{"w": torch.tensor([value], dtype=torch.float64), "n": torch.tensor(7)} for value in values]


def near_zero(state):
    return -abs(float(state["w"]))


@settings(deadline=None)
@given(NUMBERS)
def test_equals_the_recipe_written_out(values):
    """Recipe 1 of the paper, on plain lists."""
    scores = [-abs(value) for value in values]
    order = sorted(range(len(values)), key=lambda number: (-scores[number], -number))
    soup, best = [order[0]], scores[order[0]]
    for number in order[1:]:
        score = -abs(float(np.mean([values[one] for one in [*soup, number]])))
        if score >= best:
            soup, best = [*soup, number], score
    found = greedy_soup(models(values).__getitem__, scores, near_zero)
    assert found.kept == tuple(soup)
    assert found.score == pytest.approx(best, abs=1e-12)
    assert float(found.state["w"]) == pytest.approx(np.mean([values[one] for one in soup]), abs=1e-12)
    assert [number for number, _ in found.tried] == order[1:]


@settings(deadline=None)
@given(NUMBERS)
def test_is_never_worse_than_the_best_alone(values):
    found = greedy_soup(models(values).__getitem__, [-abs(value) for value in values], near_zero)
    assert found.score >= max(-abs(value) for value in values)
    assert near_zero(found.state) == pytest.approx(found.score, abs=1e-12)


def test_each_model_is_read_once_and_the_best_alone_keeps_its_score():
    read, evaluated = [], []
    every = models([1.0, 0.0, 5.0])

    def load(number):
        read.append(number)
        return every[number]

    def evaluate(state):
        evaluated.append(float(state["w"]))
        state["w"].fill_(99)  # what it is handed is its own
        return -abs(evaluated[-1])

    found = greedy_soup(load, [-1, 0.5, -5], evaluate)
    assert read == [1, 0, 2]
    assert evaluated == [0.5, 2.5]
    assert (found.kept, found.score) == ((1,), 0.5)
    assert found.state["w"].tolist() == [0]
    assert found.state["n"] == 7


def test_equal_scores_let_the_later_come_first_and_join():
    found = greedy_soup(models([2.0, 4.0, 6.0]).__getitem__, [1, 1, 1], lambda state: 1.0)
    assert found.kept == (2, 1, 0)
    assert found.state["w"].item() == 4


def test_an_average_without_a_score_does_not_join():
    found = greedy_soup(models([1.0, 2.0]).__getitem__, [1, 0], lambda state: float("nan"))
    assert found.kept == (0,)


def test_refuses_no_models_and_other_shapes():
    with pytest.raises(ValueError, match="models must be >= 1"):
        greedy_soup(models([]).__getitem__, [], near_zero)
    two = [{"w": torch.zeros(1)}, {"w": torch.zeros(2)}]
    with pytest.raises(ValueError, match="shapes of 'w' must be equal"):
        greedy_soup(two.__getitem__, [1, 0], near_zero)
