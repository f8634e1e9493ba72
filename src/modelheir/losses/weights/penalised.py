"""Which parameters of a network a penalty on weights reads; the one rule for what belongs to a batch norm.

A parameter is a batch norm's if the module that holds it is one, whatever either is called. Seq-to-Final
(arXiv:2407.09642) leaves batch norms out of its pulls to earlier models too, but by name: ``by_name`` keeps that rule,
under which a batch norm inside a plain ``Sequential`` is penalised.
"""

from __future__ import annotations

from typing import Literal

from torch import nn

from modelheir import checks

__all__ = ["PenaltyRule", "batch_norm_names", "penalised_names"]

PenaltyRule = Literal["without_batch_norm", "by_name", "all"]

_PIECES = ("norm", "bn", "downsample.1")


def batch_norm_names(model: nn.Module) -> set[str]:
    """Return the names of the parameters that batch norms hold.

    >>> sorted(batch_norm_names(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.LayerNorm(3))))
    ['1.bias', '1.weight']
    """
    return {
        f"{path}.{name}" if path else name
        for path, part in model.named_modules()
        if isinstance(part, nn.modules.batchnorm._BatchNorm)
        for name, _ in part.named_parameters(recurse=False)
    }


def penalised_names(model: nn.Module, rule: PenaltyRule = "without_batch_norm") -> list[str]:
    """Return the names of the parameters that count, in the network's order.

    Args:
        model: Any network; frozen parameters are among the names.
        rule: ``without_batch_norm``; ``by_name``, which leaves out what has ``norm``, ``bn`` or ``downsample.1`` in its
            name; ``all``.

    Raises:
        InputError: If there is no such rule.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        >>> penalised_names(net), len(penalised_names(net, "by_name"))
        (['0.weight', '0.bias'], 4)
    """
    checks.one_of(("without_batch_norm", "by_name", "all"), rule=rule)
    names = [name for name, _ in model.named_parameters()]
    if rule == "by_name":
        return [name for name in names if not any(piece in name for piece in _PIECES)]
    left_out = batch_norm_names(model) if rule == "without_batch_norm" else set()
    return [name for name in names if name not in left_out]
