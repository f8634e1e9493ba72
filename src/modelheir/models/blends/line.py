r"""Models on the straight line from one model's weights to another's: whether a basin joins them.

.. math:: \theta(v) = (1 - v)\, \theta_{start} + v\, \theta_{end}, \qquad 0 \le v \le 1

Ji, Alaa and Sontag, "Seq-to-Final", 2024, arXiv:2407.09642, draw the accuracy of 101 such models, from the start of the
last time step to its end. By the rule ``fixed`` all weights move, and the statistics of batch normalisation, which
mixed weights do not produce, are estimated anew at every ``v``, the ends too, so that no curve jumps. The older code
did neither: by ``compat`` normalisation (weights and statistics) and the convolutions of shortcuts stay those of the
start up to the last point, and a single ResNet, which never used its mixed weights, is the start up to there
(``compat_resnet``). What side modules of the newest step say is multiplied by ``v``; the older code multiplied the
weights of their convolutions, so that their normalisation left a constant.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple

from torch import nn

from modelheir import checks
from modelheir.checks import InputError
from modelheir.models.blends.interpolation import align_state, interpolate, recalibrate
from modelheir.models.blends.weight_rows import is_shortcut
from modelheir.types import Batch

__all__ = ["LINE", "LinePoint", "Rule", "accuracy_line", "model_between"]

Rule = Literal["fixed", "compat", "compat_resnet"]
_RULES = ("fixed", "compat", "compat_resnet")

#: the points of the published plots
LINE: tuple[float, ...] = tuple(number / 100 for number in range(101))


class LinePoint(NamedTuple):
    """How one model of the line does."""

    v: float  #: 0 is the start, 1 the end
    accuracy: float  #: with the statistics that the rule leaves, a fraction, higher is better
    recalibrated: float | None = None  #: with statistics estimated anew; none by ``compat``, and without batches


def accuracy_line(
    start: Any,
    end: Any,
    score: Callable[[nn.Module], float],
    *,
    batches: Callable[[], Iterable[Batch]] | None = None,
    points: Sequence[float] = LINE,
    rule: Rule = "fixed",
    added: Sequence[str] = (),
) -> list[LinePoint]:
    """Score the models of a line.

    Args:
        start: The classifier at ``v = 0``; stays as it is.
        end: The one at ``v = 1``, of the same architecture; stays as it is.
        score: From a model in evaluation mode to its accuracy on the test images of the last step.
        batches: Gives the training images of the last step each time it is called; read by ``fixed`` only. Without
            it nothing is estimated anew.
        points: Values of ``v``, 0 to 1.
        rule: See the file; ``compat`` for networks in general and for copies of a joint ResNet, ``compat_resnet`` for
            single ResNets.
        added: Paths of modules beside others that the start does not have: what they say grows with ``v``.

    Returns:
        One row a point, in the order given.

    Raises:
        InputError: If the two are not of one architecture, or an older rule is given batches.
    """
    checks.one_of(_RULES, rule=rule)
    if rule != "fixed" and batches is not None:
        raise InputError(f"rule = {rule!r} keeps the statistics of the start: leave batches out, or take 'fixed'.")
    rows = []
    for v in points:
        model = model_between(start, end, v, rule=rule, added=added)
        plain = score(model)
        again = None
        if batches is not None:
            again = score(model) if recalibrate(model, batches()) else plain
        rows.append(LinePoint(float(v), plain, again))
    return rows


def model_between(start: Any, end: Any, v: float, *, rule: Rule = "fixed", added: Sequence[str] = ()) -> Any:
    """Return the model at ``v``, a new one in evaluation mode with the classes of ``end``.

    Nothing is estimated anew here; at 0 and 1 it equals the start and the end bit for bit, by every rule.

    Args:
        start: The classifier at 0.
        end: The classifier at 1.
        v: 0 to 1.
        rule: As for :func:`accuracy_line`.
        added: As for :func:`accuracy_line`.

    Raises:
        InputError: If the two are not of one architecture.
    """
    checks.in_range(0, 1, v=v)
    checks.one_of(_RULES, rule=rule)
    first, last = align_state(start.state_dict(), start, end), end.state_dict()
    lacking = sorted(set(first) ^ set(last))
    if lacking:
        raise InputError(f"only models of one architecture can be interpolated: one of the two lacks {lacking[0]!r}.")
    if v < 1 and rule == "compat_resnet":
        v = 0.0
    state = interpolate(first, last, 1 - v)
    if v < 1 and rule == "compat":
        state.update({name: first[name] for name in first if is_shortcut(name) or name in _normalisation(end)})
    model = copy.deepcopy(end).eval()
    model.load_state_dict(state)
    for path in added:
        part = model.get_submodule(path)
        if rule == "fixed" or v in (0, 1):
            part.register_forward_hook(_Faded(v))
            continue
        for inner in part.modules():
            if isinstance(inner, nn.modules.conv._ConvNd):
                inner.weight.data.mul_(v)
    return model


class _Faded:
    """A hook that multiplies what a module says."""

    def __init__(self, share: float) -> None:
        self.share = share

    def __call__(self, module: nn.Module, inputs: Any, output: Any) -> Any:
        return output * self.share


def _normalisation(model: nn.Module) -> set[str]:
    """Return the names of weights and statistics of batch normalisation."""
    return {
        f"{path}.{name}" if path else name
        for path, part in model.named_modules()
        if isinstance(part, nn.modules.batchnorm._BatchNorm)
        for name in part.state_dict()
    }
