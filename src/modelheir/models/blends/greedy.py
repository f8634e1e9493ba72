r"""Greedy soup: a model joins the average if the selection set, and not the reporting one, does not get worse by it.

Wortsman et al., "Model soups", 2022, arXiv:2203.05482, Recipe 1: models are tried from the best to the worst by their
accuracy on a held-out set, and one is kept in the soup if the accuracy of the soup with it is at least that of the
soup without it. Ours differs: of equally good models the later one comes first, which along one training is the newer.

So on the selection set a greedy soup is never worse than the best model alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from modelheir import checks
from modelheir.models.blends.averages import RunningAverage

__all__ = ["GreedySoup", "greedy_soup"]


class GreedySoup(NamedTuple):
    """A soup, which models are in it, and how each trial did."""

    state: dict[str, Tensor]
    kept: tuple[int, ...]  #: numbers of the models in it, in the order in which they joined
    score: float  #: of the soup, as ``evaluate`` says; that of the best model where it is alone in it
    tried: tuple[tuple[int, float], ...]  #: number of a model and the score of the soup with it, in order


def greedy_soup(
    load: Callable[[int], Mapping[str, Tensor]],
    scores: Sequence[float],
    evaluate: Callable[[dict[str, Tensor]], float],
) -> GreedySoup:
    """Average the models that help; reads each once, so that memory holds two of them and the sum.

    Args:
        load: Number of a model, from 0, to its state dict.
        scores: How each does alone on the selection set, higher is better.
        evaluate: State dict of an average to its score there. It may edit what it is handed, and return a score after
            batch normalisation was recalibrated; the best model alone keeps its own score and is not evaluated again.

    Raises:
        ValueError: If there is no model, or names or shapes differ.
        InputError: If a tensor holds a number that is not finite.

    Example:
        >>> import torch
        >>> models = [{"w": torch.tensor([value])} for value in (4.0, 1.0, -2.0)]
        >>> found = greedy_soup(models.__getitem__, [-16, -1, -4], lambda state: -float(state["w"]) ** 2)
        >>> found.kept, found.score, found.tried
        ((1, 2), -0.25, ((2, -0.25), (0, -1.0)))
    """
    checks.at_least(1, models=len(scores))
    first, *others = sorted(range(len(scores)), key=lambda number: (scores[number], number), reverse=True)
    running = RunningAverage()
    running.add(load(first))
    kept, tried, best = [first], list[tuple[int, float]](), float(scores[first])
    for number in others:
        state = load(number)
        score = float(evaluate(running.with_one_more(state)))
        tried.append((number, score))
        if score >= best:
            running.add(state)
            kept, best = [*kept, number], score
    return GreedySoup(running.mean(), tuple(kept), best, tuple(tried))
