"""What an objective or an update sees of the engine during one optimiser step: ``types.Step`` made real."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from modelheir.config.fit import FitConfig
from modelheir.engine.speed.layout import as_laid_out
from modelheir.inference.runtime import Runtime

__all__ = ["EngineStep", "seed_device", "step_seed"]


def step_seed(seed: int, stage: str, number: int, rank: int) -> int:
    """Return the seed of all randomness in one step: a function of its arguments alone, so nothing needs saving.

    >>> step_seed(0, "train", 5, 0) == step_seed(0, "train", 5, 0) != step_seed(0, "train", 6, 0)
    True
    """
    words = [seed, *stage.encode(), number, rank]
    return int(np.random.SeedSequence(words).generate_state(2, np.uint32).view(np.uint64)[0] >> np.uint64(1))


def seed_device(device: torch.device, seed: int) -> None:
    """Seed torch's own generators on the CPU and on ``device``, as ``torch.manual_seed`` would.

    That function also queues a call for every device there may ever be, with the stack that led to it, which takes
    longer than some steps do. This one takes microseconds and never waits for the device.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        place = torch.cuda.current_device() if device.index is None else device.index
        torch.cuda.default_generators[place].manual_seed(seed)
    elif device.type == "mps":
        torch.mps._get_default_mps_generator().manual_seed(seed)
    elif device.type not in ("cpu", "meta"):
        torch.manual_seed(seed)


class EngineStep:
    """One optimiser step in progress; the engine moves it on with :meth:`begin`."""

    def __init__(
        self,
        runtime: Runtime,
        fit: FitConfig,
        optimizers: Mapping[str, torch.optim.Optimizer],
        *,
        stage: str,
        seed: int,
        steps: int,
    ) -> None:
        self.optimizers, self.epochs, self.steps, self.device = optimizers, fit.epochs, steps, runtime.device
        self.epoch, self.number = 0, 0
        self._observed: dict[str, Tensor] = {}
        self.generator = torch.Generator()
        on_cpu = runtime.device.type in ("cpu", "meta")
        self.device_generator = self.generator if on_cpu else torch.Generator(runtime.device)
        self.scaler = runtime.scaler(fit.precision)
        self._runtime, self._fit, self._stage, self._seed = runtime, fit, stage, seed
        self._unsettled = False
        self.averaged = False  #: whether gradients come averaged from the backward pass

    def begin(self, epoch: int, number: int) -> None:
        """Enter step ``number`` of the stage and seed its randomness."""
        self._settle()
        self.epoch, self.number = epoch, number
        seed = step_seed(self._seed, self._stage, number, self._runtime.rank)
        seed_device(self.device, seed)
        self.generator.manual_seed(seed)
        if self.device_generator is not self.generator:
            self.device_generator.manual_seed(seed)

    def observe(self, name: str, value: Tensor) -> None:
        """Log a scalar of this step that is no part of the loss."""
        self._observed[name] = value.detach()

    def observed(self) -> dict[str, Tensor]:
        """Return what was observed since the last call."""
        found, self._observed = self._observed, {}
        return found

    def gather(self, values: Tensor) -> Tensor:
        """Concatenate over processes with gradient."""
        return self._runtime.gather(values)

    def mean(self, value: Tensor) -> Tensor:
        """Average over processes, without gradient."""
        mean = value.detach().clone()
        self._runtime.average_([mean])
        return mean

    def backward(self, loss: Tensor) -> None:
        """Accumulate the gradients of ``loss``."""
        self.scaler.scale(loss).backward()

    def gradients(self, loss: Tensor, *modules: nn.Module, retain: bool = False) -> dict[Tensor, Tensor]:
        """Return gradients by parameter, averaged over processes and unscaled; see :class:`~modelheir.types.Step`."""
        if modules:
            every = (parameter for module in modules for parameter in module.parameters())
        else:
            every = (parameter for optimizer in self.optimizers.values() for parameter in _parameters(optimizer))
        held = [parameter for parameter in dict.fromkeys(every) if parameter.requires_grad]
        found = torch.autograd.grad(self.scaler.scale(loss), held, retain_graph=retain, allow_unused=True)
        averaged = self._runtime.average_found(held, [None if one is None else one.clone() for one in found])
        unscale = 1 / self.scaler.scale(torch.ones((), device=self.device)) if self.scaler.is_enabled() else 1.0
        return {p: one * unscale for p, one in zip(held, averaged, strict=True) if one is not None}

    def apply(self, *names: str, gradients: Mapping[Tensor, Tensor] | None = None) -> None:
        """Average gradients over processes, clip, step the named optimisers (none: all), zero their gradients."""
        chosen = [self.optimizers[name] for name in names] if names else list(self.optimizers.values())
        held = [parameter for optimizer in chosen for parameter in _parameters(optimizer)]
        if gradients is not None:
            if strange := set(gradients) - set(held):
                raise ValueError(f"{len(strange)} of the gradients given belong to no parameter of these optimisers")
            for parameter in held:
                given = gradients.get(parameter)
                parameter.grad = None if given is None else self.scaler.scale(given.detach().clone())
        for parameter in held:  # fused steps walk through memory; autograd keeps the order, an update may not
            if parameter.grad is not None:
                parameter.grad = as_laid_out(parameter.grad, parameter)
        if gradients is None and not self.averaged:
            self._runtime.average_gradients_(held)
        if self._fit.clip_norm > 0:
            for optimizer in chosen:
                self.scaler.unscale_(optimizer)
            moved = [parameter for parameter in held if parameter.grad is not None]
            for together in [moved] if self._fit.clip_norm_of == "all" else [[one] for one in moved]:
                torch.nn.utils.clip_grad_norm_(together, self._fit.clip_norm)
        for optimizer in chosen:
            if not self.scaler.is_enabled():
                optimizer.step()
            elif any(parameter.grad is not None for parameter in _parameters(optimizer)):
                self.scaler.step(optimizer)
                self._unsettled = True
            optimizer.zero_grad(set_to_none=True)
        torch.clear_autocast_cache()  # an update may go on with these weights, and the cache holds the old ones
        if not any(p.grad is not None for optimizer in self.optimizers.values() for p in _parameters(optimizer)):
            self._settle()

    def _settle(self) -> None:
        """Let the scale of fp16 gradients change: only when no gradient waits that was made with the present one."""
        if self._unsettled:
            self.scaler.update()
            self._unsettled = False


def _parameters(optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
    for group in optimizer.param_groups:
        yield from group["params"]
