r"""One network over steps of time: every layer has copies, and a step uses one of each.

.. math:: x_{\ell+1} = f_\ell\left(x_\ell;\ \theta_{\ell, M_{t\ell}}\right), \qquad M_{0\ell} = 0,\quad
          M_{t+1,\ell} - M_{t\ell} \in \{0, 1\}

``M`` are the routes, an integer a step and layer. A copy is a layer of its own (``separate``), a side module whose
output is added to those of the copies before it, or a layer whose weights differ by low rank from the first copy's; in
the last two modes stem and head are copied whole, unless ``all_layers_efficient``. Ji et al., "Seq-to-Final: A
Benchmark for Tuning from Sequential Distributions to a Final Time Point", 2024, arXiv:2407.09642. Ours differs: a layer
that a step shares keeps its copy, so any layers may be shared; and frozen layers have frozen statistics, unless
``compat``.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modelheir import checks
from modelheir.checks import InputError
from modelheir.config.over_time.copies import OverTimeConfig, Routes, check_routes, side_sizes
from modelheir.models.adapters.kernel_rank import adapt
from modelheir.models.adapters.side import add_maps, check_side, side_module
from modelheir.models.bodies.blocks import BlocksBody
from modelheir.models.building import from_spec
from modelheir.models.classifier import Classifier, normalised
from modelheir.models.over_time.adapted import Adapted, adaptable, check_rank
from modelheir.models.over_time.layer_modules import HEAD, STEM, layer_modules
from modelheir.models.teachers.freeze import freeze, thawed_copy
from modelheir.types import Outputs

__all__ = ["OverTime"]

Kind = Literal["separate", "side", "low_rank"]
_STRIDE = 10_007  #: between the seeds of a network's copies, so that they are not those of a repetition
_EFFICIENT: dict[str, Kind] = {"separate": "separate", "side_tune": "side", "low_rank_adapt": "low_rank"}


class OverTime(nn.Module):
    """A network for each step of time, with layers that steps share."""

    mean: Tensor
    std: Tensor

    def __init__(
        self, model: Classifier, routes: Sequence[Sequence[int]], config: OverTimeConfig | None = None
    ) -> None:
        """Make the copies.

        Args:
            model: The network of step 0, whose layers become copy 0 of each (they are not copied themselves). Further
                copies begin as this network would with other seeds, so that the same ``model.spec`` gives the same; but
                whole copies of a pretrained body begin as copy 0.
            routes: A row a step, a column a layer (:func:`~modelheir.config.over_time.parse_routes` makes them).
            config: What a copy is.

        Raises:
            InputError: If the network is none that changes layer by layer, a rank is above its cap, side modules do
                not suit the network, or there is nothing to ablate.
        """
        super().__init__()
        config = config or OverTimeConfig()
        checks.validate(config)
        config.check()
        first, body = layer_modules(model), model.get_submodule("body")
        assert isinstance(body, BlocksBody)
        if config.mode == "side_tune":
            check_side(model, config.side_layer_sizes)
        elif config.mode == "low_rank_adapt":
            check_rank(model, first, config)
        elif config.ablate:
            raise InputError("ablate leaves out side modules and adapters, and with mode = 'separate' there are none.")
        self.config, self.spec, self.named = config, copy.deepcopy(model.spec), model.named
        self.names = tuple(first)
        whole = () if config.all_layers_efficient else (STEM, HEAD)
        self.kinds: dict[str, Kind] = {
            name: "separate" if name in whole else _EFFICIENT[config.mode] for name in self.names
        }
        asked = check_routes(routes, self.names)
        kept = [not config.ablate or self.kinds[name] == "separate" for name in self.names]
        self.routes: Routes = tuple(tuple(k * keep for k, keep in zip(row, kept, strict=True)) for row in asked)
        self.dropout = body.dropout
        self.register_buffer("mean", model.mean, False)
        self.register_buffer("std", model.std, False)
        self.copies = nn.ModuleDict({name: nn.ModuleList([layer]) for name, layer in first.items()})
        for number in range(1, max(self.routes[-1]) + 1):
            self._add(number, dict(zip(body.layers, body.shapes, strict=True)))
        self.to(model.mean.device)

    def _add(self, number: int, shapes: Mapping[str, tuple[int, int, int]]) -> None:
        """Make copy ``number`` of every layer that has one."""
        seed = self.spec["seed"] + _STRIDE * number
        fresh = layer_modules(from_spec({**self.spec, "seed": seed}))
        generator, sizes = torch.Generator().manual_seed(seed), side_sizes(self.config.side_layer_sizes)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            for name, last in zip(self.names, self.routes[-1], strict=True):
                if number > last:
                    continue
                layer = fresh[name]
                if self.kinds[name] == "separate" and name != HEAD and self.spec["network"]["pretrained"]:
                    layer = thawed_copy(self.first(name))
                if self.kinds[name] == "low_rank":
                    layer = Adapted(name, self.first(name), self.config, generator)
                elif self.kinds[name] == "side" and name in shapes and sizes is not None:
                    layer = side_module(shapes[name], sizes)
                self.held(name).append(layer)

    def held(self, name: str) -> nn.ModuleList:
        """Return the copies of a layer."""
        found = self.copies[name]
        assert isinstance(found, nn.ModuleList)
        return found

    def first(self, name: str) -> nn.Module:
        """Return copy 0 of a layer."""
        return self.held(name)[0]

    def used(self, step: int) -> dict[str, nn.Module]:
        """Return the copy that a step has of each layer: the latest of those that it uses."""
        return {name: self.held(name)[number] for name, number in zip(self.names, self.routes[step], strict=True)}

    def weights(self, name: str, number: int) -> dict[str, Tensor]:
        """Return the weights of copy ``number`` of a layer that is adapted by low rank, by path."""
        found = {path: part.weight for path, part in adaptable(self.first(name)).items()}
        for one in list(self.held(name))[1 : number + 1]:
            assert isinstance(one, Adapted)
            found = {path: adapt(found[path], [change]) for path, change in one.changes().items()}
        return found

    def forward(self, images: Tensor, step: int = -1) -> Outputs:
        """Classify images as one step does.

        Args:
            images: Float ``(N, channels, H, W)`` in 0..1, not normalised.
            step: From 0; -1 is the last.

        Returns:
            Logits ``(N, C)`` and features ``(N, D)``, those of each head one behind the other where heads are added up
            that normalise their maps themselves.
        """
        x: Any = normalised(images, self.mean, self.std, self.spec["resolution"])
        for name, number in zip(self.names, self.routes[step], strict=True):
            x = self._layer(name, number, x)
            if name != HEAD:
                x = F.dropout(x, self.dropout, self.training)
        return Outputs(*x)

    def _layer(self, name: str, number: int, x: Tensor) -> Any:
        held = self.held(name)
        if number and self.kinds[name] == "low_rank":
            return held[number](x, self.weights(name, number))
        if number == 0 or self.kinds[name] == "separate":
            return held[number](x)
        found = [part(x) for part in list(held)[: number + 1]]
        if name != HEAD:
            return add_maps(found)
        logits = torch.stack([one for one, _ in found]).sum(dim=0)
        alike = isinstance(held[0].neck, nn.Identity)
        return logits, found[0][1] if alike else torch.cat([features for _, features in found], dim=1)

    def freeze_before(self, step: int) -> None:
        """Freeze every copy that a step before ``step`` uses; edits in place.

        Their weights stay for good. Statistics of their batch normalisation stay as well, unless ``compat``.
        """
        checks.in_range(1, len(self.routes) - 1, step=step)
        for name, last in zip(self.names, self.routes[step - 1], strict=True):
            for part in list(self.held(name))[: last + 1]:
                part.requires_grad_(False) if self.config.compat else freeze(part)

    @torch.no_grad()
    def start_from_previous(self, step: int) -> None:
        """Give the new copies of a step the weights of the step before; edits in place.

        Adapted layers get biases and normalisations, so that with adapters that change nothing yet the steps are one
        model; layers copied whole get everything; side modules stay.
        """
        checks.in_range(1, len(self.routes) - 1, step=step)
        for name, before, after in zip(self.names, self.routes[step - 1], self.routes[step], strict=True):
            old, new = self.held(name)[before], self.held(name)[after]
            if after == before or self.kinds[name] == "side":
                continue
            if isinstance(new, Adapted):
                old, new = old.shell if isinstance(old, Adapted) else old, new.shell
            own = new.state_dict()
            new.load_state_dict({key: value for key, value in old.state_dict().items() if key in own})
