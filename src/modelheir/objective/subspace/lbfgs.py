"""Limited-memory BFGS in a plane, as torch has it, on one batch a step: what the dense steps are compared with.

Liu and Nocedal, "On the Limited Memory BFGS Method for Large Scale Optimization", 1989; torch's search for the strong
Wolfe conditions. Ours differs in what it is told: loss and gradient are those of all processes, passes after the first
draw what it drew, and leave running statistics alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from modelheir.objective.subspace.passes import Objective, Passes, rate_of
from modelheir.types import LossTerms

if TYPE_CHECKING:
    from modelheir.objective.subspace.settings import LBFGSConfig
    from modelheir.types import Batch, Step

__all__ = ["PlaneLBFGS"]

_MOST = 25  #: passes an iteration, as many as torch's search takes; its own limit is so low that no search ends
_LISTS = ("old_dirs", "old_stps", "ro")  #: of tensors, the latest pairs
_TENSORS = ("d", "H_diag", "prev_flat_grad")
_NUMBERS = ("func_evals", "n_iter", "t", "prev_loss")


class PlaneLBFGS:
    """The update of a task whose model moves in a plane; a state. The learning rate is the first step on trial.

    Args:
        model: Runs in the objective; its weights move by ``coordinates``.
        coordinates: Of any shape, a parameter of the model.
        objective: Batches and step to terms, a function of the weights, the batches and the step's draws alone.
        config: How long on each batch, and how much is remembered.
        where: Dotted key of ``config``, for messages.
    """

    def __init__(
        self,
        model: nn.Module,
        coordinates: nn.Parameter,
        objective: Objective,
        config: LBFGSConfig,
        *,
        where: str = "method",
    ) -> None:
        self.model, self.coordinates, self.objective = model, coordinates, objective
        self.config, self.where = config, where
        self.steps, self.cost = (
            0,
            0.0,
        )  #: so far; in passes with gradients over a batch
        self.optimizer = torch.optim.LBFGS(
            [coordinates],
            max_iter=config.iterations,
            max_eval=_MOST * config.iterations,
            history_size=config.history,
            tolerance_grad=0.0,
            tolerance_change=0.0,
            line_search_fn="strong_wolfe" if config.search else None,
        )

    def __call__(self, batches: Mapping[str, Batch], step: Step) -> LossTerms:
        """Do some iterations on one batch; the terms are the objective's before the first."""
        passes = Passes(self.model, self.objective, batches, step, accumulate=self.config.accumulate, where=self.where)
        terms: list[LossTerms] = []

        def look() -> Tensor:
            found, gradients = (passes.again if terms else passes.first)(self.coordinates)
            terms.append(found)
            self.coordinates.grad = gradients.get(self.coordinates, torch.zeros_like(self.coordinates))
            return step.mean(found.total)

        for group in self.optimizer.param_groups:
            group["lr"] = rate_of(self.coordinates, step)
        self.optimizer.step(look)  # pyright: ignore[reportArgumentType]
        self.coordinates.grad = None
        torch.clear_autocast_cache()
        self.steps, self.cost = self.steps + 1, self.cost + passes.cost
        step.observe("lbfgs/passes", torch.tensor(passes.cost))
        return terms[0]

    def state_dict(self) -> dict[str, Tensor]:
        """Return what a resumed run must find again."""
        held = self.optimizer.state[self.coordinates]
        found = {name: torch.stack(held[name]) for name in _LISTS if held.get(name)}
        found |= {name: held[name] for name in _TENSORS if isinstance(held.get(name), Tensor)}
        found |= {name: torch.as_tensor(held[name], dtype=torch.float64) for name in _NUMBERS if name in held}
        found["count"] = torch.tensor([self.steps, self.cost], dtype=torch.float64)
        return {name: one.detach().clone() for name, one in found.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take it back."""
        device = self.coordinates.device
        self.steps, self.cost = int(state["count"][0]), float(state["count"][1])
        held: dict[str, Any] = {name: list(state[name].to(device)) if name in state else [] for name in _LISTS}
        held |= {name: state[name].to(device) for name in _TENSORS if name in state}
        held |= {name: float(state[name]) for name in _NUMBERS if name in state}
        held |= {name: int(held[name]) for name in ("func_evals", "n_iter") if name in held}
        self.optimizer.state[self.coordinates] = held if "n_iter" in held else {}
