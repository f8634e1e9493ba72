r"""Several networks of one architecture as one: a weight of all of them is one tensor, a step one forward pass.

The weights of member :math:`k` are slices :math:`\Theta_k` of stacked tensors :math:`\Theta`, so its own optimiser
moves them, with its own rate, decay and clipping, and its own module evaluates them. A step is

.. math:: g_k = \nabla_{\Theta_k} \sum_j L(\Theta_j, B_j), \qquad \Theta_k \leftarrow \mathrm{step}_k(\Theta_k, g_k)

with :math:`L` the first member's objective under ``torch.func.vmap``: members share nothing, so the gradient of the sum
is each one's own. Buffers (statistics of batch norms) are stacked likewise, and so are the rates of dropout, whose
masks differ between members. It is the same arithmetic in another order: float64 agrees to about 1e-15 a step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from modelheir.engine.state import Training, named_state
from modelheir.models.bodies.masks import MaskedDropout
from modelheir.types import Batch, Step

__all__ = ["RatedDropout", "Stack", "differences", "join_batches", "rate_dropout"]

_DROPOUTS = (nn.Dropout, MaskedDropout)
_PLAIN = (bool, int, float, str, tuple, type(None))


class RatedDropout(nn.Dropout):
    """``nn.Dropout`` whose rate is a buffer, so that it is stacked with the weights."""

    rate: Tensor

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` without a share ``rate`` of its values, the others divided by ``1 - rate``."""
        if not self.training:
            return input
        rate = self.rate.to(input.dtype)
        kept = torch.rand_like(input) >= rate
        return torch.where(kept, input / (1 - rate).clamp_min(torch.finfo(input.dtype).tiny), 0.0)


def rate_dropout(module: nn.Module) -> None:
    """Let every plain ``nn.Dropout`` in ``module`` keep its rate in a buffer; names of weights stay."""
    for one in list(module.modules()):
        if type(one) in _DROPOUTS:
            one.__class__ = RatedDropout
            like = next(module.parameters())
            one.register_buffer("rate", torch.tensor(one.p, dtype=like.dtype, device=like.device), persistent=False)


def differences(modules: Sequence[nn.Module]) -> str:
    """Say what but values of weights, buffers and rates of dropout differs between networks; "" where nothing does."""
    first = list(modules[0].named_modules())
    for module in modules[1:]:
        other = list(module.named_modules())
        if [(name, type(one)) for name, one in first] != [(name, type(one)) for name, one in other]:
            return "the networks have different parts"
        shapes = [
            [(name, value.shape, value.dtype) for name, value in (*one.named_parameters(), *one.named_buffers())]
            for one in (modules[0], module)
        ]
        if shapes[0] != shapes[1]:
            return "the networks have weights of different shapes"
        if [p.requires_grad for p in modules[0].parameters()] != [p.requires_grad for p in module.parameters()]:
            return "different parts of the networks are trained"
        for (name, a), (_, b) in zip(first, other, strict=True):
            own = {key for key in vars(a).keys() | vars(b).keys() if not key.startswith("_")} - {"training"}
            own -= {"p"} if type(a) in _DROPOUTS else set()
            for key in sorted(own):
                mine, its = vars(a).get(key), vars(b).get(key)
                if isinstance(mine, _PLAIN) and isinstance(its, _PLAIN) and mine != its:
                    return f"{name or 'the network'} has {key} = {mine} and {its}"
    return ""


def join_batches(batches: Sequence[Batch]) -> tuple[dict[str, Any], int | None]:
    """Return the values of members' batches, and along which dimension members lie; ``None``: one batch for all."""
    if len(batches) == 1:
        return _values(batches[0]), None
    return _stacked([_values(batch) for batch in batches]), 0


def _stacked(values: Sequence[Any]) -> Any:
    first = values[0]
    if isinstance(first, Tensor):
        return torch.stack(list(values))
    if isinstance(first, tuple):
        return tuple(_stacked(parts) for parts in zip(*values, strict=True))
    return {name: _stacked([one[name] for one in values]) for name in first}


def _values(batch: Batch) -> dict[str, Any]:
    found = {"inputs": batch.inputs, "labels": batch.labels, "index": batch.index, "extra": dict(batch.extra)}
    return found if batch.targets is None else {**found, "targets": batch.targets}


class _Problem(nn.Module):
    """The first member's objective as a module, whose weights can be replaced in a call."""

    def __init__(self, training: Training) -> None:
        super().__init__()
        assert training.task.objective is not None
        self.held = nn.ModuleDict(dict(training.task.modules))
        self.objective = (training.task.objective,)  # in a tuple: a module would be one of this module's parts

    def forward(self, values: Mapping[str, dict[str, Any]], step: Step, flags: Mapping[str, Any]) -> Any:
        batches = {name: Batch(**parts, **flags[name]) for name, parts in values.items()}
        found = self.objective[0](batches, step)
        terms = {f"loss/{name}": value for name, value in found.terms.items()}
        return found.total, {**terms, **found.observed}


class Stack:
    """Members that are trained as one.

    Args:
        members: Their states; the modules' weights become slices of the stack's.
    """

    def __init__(self, members: Sequence[Training]) -> None:
        modules = [module for one in members for module in one.task.modules.values()]
        if any(isinstance(one, nn.Dropout) and one.p > 0 for module in modules for one in module.modules()):
            for module in modules:  # else nothing is drawn at all
                rate_dropout(module)
        self.place(members)

    def place(self, members: Sequence[Training]) -> None:
        """Put members, and none but them, into the stack; their values stay."""
        self.problem = _Problem(members[0])
        own = [nn.ModuleDict({"held": nn.ModuleDict(dict(one.task.modules))}) for one in members]
        parameters, buffers = [dict(one.named_parameters()) for one in own], [dict(one.named_buffers()) for one in own]
        self.parameters = {name: [one[name] for one in parameters] for name in parameters[0]}
        self.weights = {name: _join(slices) for name, slices in self.parameters.items()}
        self.buffers = {name: _join([one[name] for one in buffers]) for name in buffers[0]}
        for one in members:
            one.live = named_state(one.task.modules)

    def step(self, batches: Mapping[str, Sequence[Batch]], step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        """Leave every member's gradients on its parameters.

        Args:
            batches: Of each stream, one a member, or a single one for all.
            step: Handed to the objective.

        Returns:
            The members' losses ``(K,)``, and their terms and observed values, ``(K,)`` each.
        """
        joined = {name: join_batches(some) for name, some in batches.items()}
        flags = {name: {"labelled": some[0].labelled, "crops": some[0].crops} for name, some in batches.items()}

        def one(weights: dict[str, Tensor], buffers: dict[str, Tensor], values: dict[str, Any]) -> Any:
            return functional_call(self.problem, (weights, buffers), (values, step, flags))

        values, dims = ({name: pair[i] for name, pair in joined.items()} for i in (0, 1))
        losses, seen = torch.vmap(one, in_dims=(0, 0, dims), randomness="different")(self.weights, self.buffers, values)
        losses.sum().backward()
        for name, whole in self.weights.items():
            if whole.grad is not None:
                for parameter, gradient in zip(self.parameters[name], whole.grad.unbind(), strict=True):
                    parameter.grad = gradient
                whole.grad = None
        return losses.detach(), {name: value.detach() for name, value in seen.items()}

    def finite(self) -> Tensor:
        """Tell of each member whether all its weights are finite, ``(K,)``."""
        return torch.stack([whole.detach().isfinite().flatten(1).all(1) for whole in self.weights.values()]).all(0)


def _join(slices: Sequence[Tensor]) -> Tensor:
    """Return tensors as one, of which each becomes a slice."""
    whole = torch.stack([one.detach() for one in slices])
    for one, part in zip(slices, whole.unbind(), strict=True):
        one.data = part
    return whole.requires_grad_(slices[0].requires_grad)
