"""A layer whose weights are another layer's, changed by low rank; biases and batch normalisations are its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from modelheir.checks import InputError
from modelheir.config.over_time.copies import OverTimeConfig
from modelheir.models.adapters.kernel_rank import KernelRank, rank_cap
from modelheir.models.module_names import title
from modelheir.models.over_time.layer_modules import HEAD, STEM
from modelheir.models.teachers.freeze import thawed_copy

__all__ = ["Adapted", "adaptable", "check_rank"]


def adaptable(layer: nn.Module) -> dict[str, nn.Conv2d | nn.Linear]:
    """Return the convolutions and linear layers inside a layer, by path."""
    return {path: part for path, part in layer.named_modules() if isinstance(part, nn.Conv2d | nn.Linear)}


def check_rank(model: Any, modules: Mapping[str, nn.Module], config: OverTimeConfig) -> None:
    """Check that every adapter of a block is smaller than what it adapts, and that a head can have one at all.

    Raises:
        InputError: Names the layer with the lowest cap.
    """
    blocks = [
        (rank_cap(part.weight), name, tuple(part.weight.shape[:2]))
        for name, layer in modules.items()
        if name not in (STEM, HEAD)
        for part in adaptable(layer).values()
    ]
    cap, layer, (outputs, inputs) = min(blocks)
    if config.adapter_rank > cap:
        raise InputError(
            f"adapter_rank = {config.adapter_rank} is too large for {title(model)}: an adapter must be smaller than "
            f"its weight, which is up to {cap} in {layer} ({inputs} to {outputs} channels)."
        )
    if config.all_layers_efficient and rank_cap(model.head.weight) < 1:
        raise InputError(
            f"{title(model)} has too few classes for an adapter of its head: leave all_layers_efficient off."
        )


class Adapted(nn.Module):
    """The copy of a layer for a later step."""

    def __init__(self, name: str, layer: nn.Module, config: OverTimeConfig, generator: torch.Generator) -> None:
        """Take over the layer's architecture, and its biases and normalisations where adapters begin as the identity.

        Args:
            name: Of the layer: adapters of a stem have rank 1, those of a head their cap at most.
            layer: What is adapted; stays as it is.
            config: Rank, kind and start.
            generator: Of the factors, on the CPU.
        """
        super().__init__()
        self.shell = thawed_copy(layer)
        found = adaptable(self.shell)
        self.paths = list(found)
        factors: list[nn.Module] = []
        for part in found.values():
            rank = {STEM: 1, HEAD: min(config.adapter_rank, rank_cap(part.weight))}.get(name, config.adapter_rank)
            start = "uniform" if config.compat else "identity"
            kind = "multiply" if config.adapter_mode == "multiply" else "add"
            factors.append(KernelRank(part.weight, rank=rank, kind=kind, generator=generator, start=start))
            if config.compat and part.bias is not None:
                fan = part.in_features if isinstance(part, nn.Linear) else 3 * part.weight[0, 0].numel()
                with torch.no_grad():
                    part.bias.copy_(torch.empty(part.bias.shape).uniform_(-1, 1, generator=generator) / fan**0.5)
            part.register_parameter("weight", None)  # comes from outside in every call
        self.factors = nn.ModuleList(factors)
        if config.compat:
            for part in self.shell.modules():
                if isinstance(part, nn.BatchNorm2d):
                    part.reset_parameters()

    def changes(self) -> dict[str, KernelRank]:
        """Return the adapters by the path of what they adapt."""
        return {path: part for path, part in zip(self.paths, self.factors, strict=True) if isinstance(part, KernelRank)}

    def forward(self, x: Tensor, weights: Mapping[str, Tensor]) -> Any:
        """Run the layer on ``x`` with ``weights``, path of a convolution or linear layer -> its weight."""
        given = {f"{path}.weight": weight for path, weight in weights.items()}
        return torch.func.functional_call(self.shell, given, (x,))
