r"""How much each of a sequence of models counts in their average: all, its tail (SWA), the latest (LAWA), or by age.

For models :math:`1 \dots N` from the oldest to the newest, each function returns ``N`` weights that sum to 1, for
:func:`~modelheir.models.blends.averages.average_states`.

- **SWA**, stochastic weight averaging: the equal mean of the tail of a training. Izmailov et al., "Averaging Weights
  Leads to Wider Optima and Better Generalization", 2018, arXiv:1803.05407. There the tail is trained with a constant or
  a cyclic rate; here it is what the training kept, at whatever rate it ran.
- **LAWA**, latest weight averaging: the equal mean of the ``K`` latest. Kaddour, "Stop Wasting My Time! Saving Days of
  ImageNet and BERT Training with Latest Weight Averaging", 2022, arXiv:2209.14981.
- **EMA**, an exponential moving average: :math:`m_1 = \theta_1,\ m_k = D\, m_{k-1} + (1 - D)\, \theta_k`. Over
  snapshots, so that one ``D`` reaches as far as the snapshots lie apart; an average over steps is another thing.
- **uniform**: the plain mean of all, as the uniform soup of Wortsman et al., "Model soups", 2022, arXiv:2203.05482.
"""

from __future__ import annotations

import math

from modelheir import checks

__all__ = ["ema_weights", "latest_weights", "tail_weights", "uniform_weights"]


def uniform_weights(count: int) -> tuple[float, ...]:
    """Return the same weight for each of ``count`` models, ``>= 1``.

    >>> uniform_weights(4)
    (0.25, 0.25, 0.25, 0.25)
    """
    return latest_weights(count, count)


def latest_weights(count: int, latest: int) -> tuple[float, ...]:
    """Return the same weight for each of the ``latest`` newest of ``count`` models and 0 for the others (LAWA).

    Args:
        count: Models, ``>= 1``.
        latest: Of them that count, 1 to ``count``.

    Raises:
        ValueError: If either is out of range.

    >>> latest_weights(4, 2)
    (0.0, 0.0, 0.5, 0.5)
    """
    checks.at_least(1, count=count)
    checks.in_range(1, count, latest=latest)
    return (0.0,) * (count - latest) + (1 / latest,) * latest


def tail_weights(count: int, share: float) -> tuple[float, ...]:
    """Return the same weight for each model of the tail (SWA): the newest ``share`` of them, rounded up.

    Args:
        count: Models, ``>= 1``.
        share: Of them that count, above 0 and at most 1; one model counts at least.

    Raises:
        ValueError: If either is out of range.

    >>> tail_weights(5, 0.3)
    (0.0, 0.0, 0.0, 0.5, 0.5)
    """
    checks.above(0, share=share)
    checks.in_range(0, 1, share=share)
    return latest_weights(count, max(1, math.ceil(round(share * count, 9))))


def ema_weights(count: int, decay: float) -> tuple[float, ...]:
    """Return the weights of an exponential moving average that starts at the oldest model.

    Args:
        count: Models, ``>= 1``.
        decay: Share ``D`` of the average that stays when a model comes, 0 (the newest alone) to below 1.

    Returns:
        ``D ** (N - 1)`` for the oldest and ``(1 - D) D ** (N - k)`` for model ``k``.

    Raises:
        ValueError: If either is out of range.

    >>> ema_weights(3, 0.5)
    (0.25, 0.25, 0.5)
    """
    checks.at_least(1, count=count)
    checks.in_range(0, 1, decay=decay)
    if decay == 1:
        raise ValueError("decay must be < 1: with 1, no model after the first would count")
    return (decay ** (count - 1), *((1 - decay) * decay ** (count - 1 - number) for number in range(1, count)))
