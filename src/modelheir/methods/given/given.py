"""What a plan is handed: the data, the network to train, the models that exist, and how stages are trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from modelheir import models
from modelheir.methods.given.data import Data
from modelheir.methods.given.new_model import NewModel
from modelheir.methods.given.parameter_groups import parameter_groups
from modelheir.methods.given.teachers import Teachers
from modelheir.plans import Task

if TYPE_CHECKING:
    from torch import nn

    from modelheir.config.fit import FitConfig
    from modelheir.models import Classifier
    from modelheir.plans import Stateful
    from modelheir.types import Batch, LossTerms, Outputs, Step, Stream

__all__ = ["Given"]


@dataclasses.dataclass(frozen=True)
class Given:
    """Everything outside a method's own settings. Made by ``assemble``; methods only read it."""

    data: Data
    model: NewModel
    old: Teachers  #: the models in production, or files of their predictions; perhaps none
    fit: FitConfig
    sources: Mapping[str, Data] = dataclasses.field(default_factory=dict)  #: further data, as the method names it
    models: Mapping[str, Teachers] = dataclasses.field(
        default_factory=dict
    )  #: further models, as the method names them

    def member(self, number: int) -> Given:
        """Return the same with the seeds of ensemble member ``number``; member 0 is the run itself."""
        if number == 0:
            return self

        def derive(seed: int) -> int:
            return np.random.SeedSequence([seed, number]).generate_state(1).item()

        return dataclasses.replace(
            self,
            data=dataclasses.replace(self.data, seed=derive(self.data.seed)),
            sources={name: dataclasses.replace(one, seed=derive(one.seed)) for name, one in self.sources.items()},
            model=dataclasses.replace(self.model, seed=derive(self.model.seed)),
        )

    def begin_from_old(self, use: str) -> Classifier:
        """Return a trainable copy of the one old model for the data's classes; ``use`` is what asks for it.

        Raises:
            InputError: If there is not exactly one, or ``--model`` asks for another network.
        """
        old = self.old.one(use)
        self.model.accept_start(old)
        return self.model.begin_from(old)

    def task(
        self,
        modules: nn.Module | Mapping[str, nn.Module],
        stream: Stream,
        objective: Callable[[Mapping[str, Batch], Step], LossTerms] | None,
        *,
        references: Mapping[str, nn.Module] | None = None,
        state: Mapping[str, Stateful] | None = None,
        predict: Callable[[Batch], Outputs] | None = None,
    ) -> Task:
        """Return the usual task: one training stream, evaluation on every split, the run's learning-rate multipliers.

        Of a model that is trained, only what ``--trainable`` says moves; further modules train whole. Where no module
        is ``model``, several classifiers predict together, each is such a model, and none is the run's.

        Args:
            modules: The model, or all modules to train by name, the model as ``model``.
            stream: The training stream.
            objective: Batches and step to terms; ``None`` keeps the weights as they are.
            references: Frozen models.
            state: Further state that a resumed run must find again.
            predict: What is evaluated; ``None``: the model.
        """
        named = modules if isinstance(modules, Mapping) else {"model": modules}
        single = "model" in named
        found: dict[str, Any] = {
            name: one
            for name, one in named.items()
            if (name == "model" if single else isinstance(one, models.Classifier))
        }
        for one in found.values() if objective is not None else ():
            models.set_trainable(one, self.model.trainable, seed=self.model.seed)
        specs = {name: one.spec for name, one in found.items()}
        return Task(
            modules=named,
            streams={} if objective is None else {"train": stream},
            objective=objective,
            references=references or {},
            evaluate=self.data.evaluation(),
            predict=predict,
            publish="model" if single else "",
            parameter_groups=parameter_groups(self.fit),
            state=state or {},
            describe={"model": specs["model"]} if single else {"modules": specs},
        )
