r"""A quasi-Newton step in a plane of weights, as long as the same batch allows.

.. math:: d = -B c, \quad c = P g, \qquad z \leftarrow z + t d, \qquad
          L(z + t d) < L(z) + \sigma\, t\, c^T d

Li et al., "Low Dimensional Trajectory Hypothesis is True: DNNs Can Be Trained in Tiny Subspaces", TPAMI 45(3), 2023,
arXiv:2103.11154, algorithm 2 (P-BFGS), and the momentum step outside the plane of P+-BFGS. Where ours differs:

- ``B`` begins as a multiple of the identity that the first pair tells (:mod:`modelheir.subspace.curvature`), and the
  first step is no longer than ``first_step``; from the unscaled identity, a curvature above ``2 (1 - sigma) / t``
  refuses every step of two trials, for ever;
- a pair is of one batch before and after its step (``pairs``), and Powell's damping takes noise off it;
- where no trial passes, nothing moves, ``B`` is a multiple of the identity again, and that is observed;
- a trial sees the masks and mixed images of the batch's first pass, and moves no running statistics.

``compat`` has the published rules instead. Of ``n`` coordinates only ``n + 2`` numbers travel between processes in a
step, and one a trial; with ``alpha`` above 0 the whole gradient does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from modelheir import subspace
from modelheir.objective.subspace.passes import Objective, Passes, rate_of
from modelheir.objective.subspace.residual import Residual
from modelheir.types import LossTerms

if TYPE_CHECKING:
    from modelheir.objective.subspace.settings import QuasiNewtonConfig
    from modelheir.types import Batch, Step

__all__ = ["QuasiNewton"]

_TRIALS = {"early": 3, "latest": 2}  #: of programs that fix them


class QuasiNewton:
    """The update of a task whose model moves in a plane; a state.

    It moves the coordinates itself, so the optimiser's kind, rate, decay, momentum and clipping are not read.

    Args:
        model: Runs in the objective; its weights move by ``coordinates`` (``models.adapters.Plane``).
        coordinates: Of any shape, ``n`` numbers, a parameter of the model; with ``alpha`` 0 the only trainable one.
        objective: Batches and step to terms, a function of the weights, the batches and the step's draws alone: it is
            called several times a step, and what it observes is logged once.
        config: How far, and what is learnt of it.
        where: Dotted key of ``config``, for messages.

    Raises:
        ValueError: If ``coordinates`` is none of the model's parameters, or others would train and are not moved.
    """

    def __init__(
        self,
        model: nn.Module,
        coordinates: nn.Parameter,
        objective: Objective,
        config: QuasiNewtonConfig,
        *,
        where: str = "method",
    ) -> None:
        if not any(one is coordinates for one in model.parameters()):
            raise ValueError("the coordinates are no parameter of the model: make them with models.adapters")
        others = sum(one.requires_grad and one is not coordinates for one in model.parameters())
        if others and not config.alpha:
            raise ValueError(
                f"{others} parameters besides the coordinates are trainable and would not move: freeze them"
            )
        self.model, self.coordinates, self.objective, self.config = model, coordinates, objective, config
        self.where = where
        self.residual = None
        if config.alpha:
            self.residual = Residual(model, coordinates, alpha=config.alpha, gamma=config.gamma)
        self.known = subspace.Curvature.unknown(coordinates.numel())
        self.steps, self.refused, self.forgotten = 0, 0, 0  #: so far: all; those where no trial passed; resets of B
        self.cost = 0.0  #: so far, in passes with gradients over a batch, of which one without is a third

    def __call__(self, batches: Mapping[str, Batch], step: Step) -> LossTerms:
        """Do one step; the terms are the objective's before it."""
        config = self.config
        passes = Passes(self.model, self.objective, batches, step, accumulate=config.accumulate, where=self.where)
        others = () if self.residual is None else tuple(self.residual.moved.values())
        found, gradients = passes.first(self.coordinates, *others)
        within = gradients.get(self.coordinates, torch.zeros_like(self.coordinates))
        value, gradient = float(step.mean(_wide(found.total))), _host(within)
        self.steps += 1
        if not np.isfinite(gradient).all():
            step.apply(gradients={self.coordinates: within})  # a scale of fp16 that was too large is taken back here
            return found
        if not np.isfinite(value):
            return found
        search, length = self._move(passes, value, gradient, step)
        self.cost += passes.cost
        if self.residual is not None:
            squared = self.residual(gradients, within)
            step.observe("quasi_newton/plane_share", within.norm() / squared.sqrt().clamp(min=1e-30))
        for name, one in {
            "step": length,
            "trials": float(len(search.tried)),
            "refused": float(bool(search.tried) and not search.length),
            "passes": passes.cost,
            "condition": subspace.condition(self.known.inverse),
        }.items():
            step.observe(f"quasi_newton/{name}", torch.tensor(one))
        return found

    def _move(self, passes: Passes, value: float, gradient: np.ndarray, step: Step) -> tuple[subspace.Search, float]:
        """Learn from the last pair, search, move, learn from this one; return the search and the length taken."""
        config, before = self.config, self.known
        known = self._learnt(before, gradient) if before.seen else before
        direction = -known.inverse @ gradient
        slope, first = float(direction @ gradient), self._first(known, direction, step)
        if not slope < 0 or not first > 0:
            self.known = known if first > 0 else before
            return subspace.Search(0.0, ()), 0.0
        start = self.coordinates.detach().clone()
        along = torch.from_numpy(direction).to(start).view_as(start)

        def above(length: float, bound: float) -> float:
            self._put(start, along, length)
            return float(step.mean(_wide(passes.loss()) - bound))

        search = subspace.backtrack(
            above,
            value=value,
            slope=slope,
            sigma=config.sigma,
            rho=config.rho,
            trials=_TRIALS.get(config.compat, config.max_trials),
            first=first,
            interpolate=config.interpolate and not config.compat,
        )
        moved = known._replace(gradient=gradient, seen=not self._same)
        if search.length:
            self.known = moved._replace(step=search.length * direction)
            if self._same:
                _, after = passes.again(self.coordinates)
                changed = _host(after.get(self.coordinates, torch.zeros_like(start)))
                if np.isfinite(changed).all():
                    self.known = self._learnt(self.known, changed)
            return search, search.length
        self.refused += 1
        if config.compat == "latest":
            self.known, length = before, 0.0
        elif config.compat == "early":
            self.known, length = moved, search.tried[-1]  # s stays that of an earlier step
        elif config.compat == "dldr":
            length = search.tried[-1] * config.rho
            self.known = moved._replace(step=length * direction)
        else:
            self.known, length = before.forgotten(), 0.0
            self.forgotten += before.curved
        self._put(start, along, length)
        return search, length

    @property
    def _same(self) -> bool:
        return self.config.pairs == "same" and not self.config.compat

    def _first(self, known: subspace.Curvature, direction: np.ndarray, step: Step) -> float:
        """Return the first length on trial: the learning rate, and no more than a first step may be."""
        rate, most = rate_of(self.coordinates, step), self.config.first_step
        length = float(np.linalg.norm(direction))
        if known.curved or self.config.compat or not most or not length:
            return rate
        return min(rate, most / length)

    def _learnt(self, known: subspace.Curvature, gradient: np.ndarray) -> subspace.Curvature:
        """Return what is known after the pair of the last step and the gradient where it led."""
        if self.config.compat:
            return known.learnt_plainly(gradient)
        config = self.config
        found = known.learnt(gradient, damping=config.damping, most=config.condition, scale=config.scale)
        self.forgotten += known.curved and not found.curved
        return found

    @torch.no_grad()
    def _put(self, start: Tensor, along: Tensor, length: float) -> None:
        self.coordinates.copy_(torch.add(start, along, alpha=length) if length else start)
        torch.clear_autocast_cache()

    def state_dict(self) -> dict[str, Tensor]:
        """Return what a resumed run must find again."""
        known = {name: torch.as_tensor(np.asarray(value)) for name, value in self.known._asdict().items()}
        counts = torch.tensor([self.steps, self.refused, self.forgotten])
        outside = {} if self.residual is None else self.residual.state_dict()
        known["cost"] = torch.tensor(self.cost, dtype=torch.float64)
        return {**known, "counts": counts, **{f"residual.{name}": one for name, one in outside.items()}}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take it back."""
        arrays = (state[name].cpu().numpy().copy() for name in ("inverse", "step", "gradient"))
        seen, curved, scale = bool(state["seen"]), bool(state["curved"]), float(state["scale"])
        self.known = subspace.Curvature(*arrays, seen=seen, curved=curved, scale=scale)
        self.steps, self.refused, self.forgotten = (int(one) for one in state["counts"])
        self.cost = float(state["cost"])
        if self.residual is not None:
            prefix = "residual."
            self.residual.load_state_dict(
                {name.removeprefix(prefix): one for name, one in state.items() if name.startswith(prefix)}
            )


def _wide(value: Tensor) -> Tensor:
    """Return a scalar in the widest type of its device."""
    return value.detach().float() if value.device.type == "mps" else value.detach().double()


def _host(value: Tensor) -> np.ndarray:
    """Return a gradient as float64 ``(n,)``: the step's one look at it."""
    return value.detach().cpu().double().reshape(-1).numpy()
