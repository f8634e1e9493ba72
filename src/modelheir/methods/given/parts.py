"""What every method is handed: the data, the settings, and how to make models, streams and teachers of them."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modelheir.checks import InputError
from modelheir.methods.given.stored import is_predictions, match_old, read_outputs, stored_outputs
from modelheir.types import Task

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from modelheir.config.fit import FitConfig
    from modelheir.config.inputs import InputConfig
    from modelheir.config.network import NetworkConfig
    from modelheir.data import ImageSet
    from modelheir.models import Classifier
    from modelheir.types import Batch, LossTerms, Predictions, Stateful, Step, Stream

    Extra = Mapping[str, Tensor] | None

__all__ = ["Parts"]

_say = functools.cache(logging.getLogger(__name__).warning)  #: each message once


@dataclasses.dataclass(frozen=True)
class Parts:
    """Everything outside a method's own settings. Made by ``assemble``; methods only read it."""

    splits: Mapping[str, ImageSet]  #: train, val (selection), test (reporting), perhaps unlabelled
    inputs: InputConfig
    network: NetworkConfig
    fit: FitConfig
    model: str  #: what to train, such as ``tv:resnet18``
    asked: str  #: the model as the user named it; "" where the default was taken
    old: tuple[str, ...]  #: the models in production, or files of their predictions
    old_weights: tuple[float, ...]
    class_rule: str  #: how their classes are matched with the data's: by-name or by-order
    seed: int  #: of the training steps (dropout, mixing)
    init_seed: int  #: of the initial weights
    data_seed: int  #: of the order and augmentation of the data
    device: torch.device
    rank: int
    world: int
    predict: Callable[..., Predictions]  #: (model, stream, features=False): each sample once, all processes together

    @property
    def classes(self) -> tuple[str, ...]:
        """The class list, the same in every split."""
        return tuple(self.splits["train"].classes)

    @property
    def image_size(self) -> int:
        """Height and width of the images that reach the model, in pixels."""
        return self._resolved.image_size

    @property
    def fixed_view(self) -> bool:
        """Whether every epoch shows an image's centre view of evaluation, so that a frozen model sees it only once."""
        found = self._resolved
        return found.augment == "none" and not (found.erase or found.mixup or found.cutmix)

    @property
    def _resolved(self) -> InputConfig:
        from modelheir.data import resolve

        return resolve(self.inputs, self.splits["train"])

    def member(self, number: int) -> Parts:
        """Return the same parts with the seeds of ensemble member ``number``; member 0 is the run itself."""
        if number == 0:
            return self
        import numpy as np

        def derive(seed: int) -> int:
            return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])

        return dataclasses.replace(
            self, seed=derive(self.seed), init_seed=derive(self.init_seed), data_seed=derive(self.data_seed)
        )

    def stream(self, split: str = "train", *, train: bool = True, views: str = "centre", extra: Extra = None) -> Stream:
        """Return a stream over a split; ``train`` shuffles and augments, else all are in order, one centre view each.

        The picture sizes are those that ``inputs.views`` asks for, whatever ``views`` is.
        """
        from modelheir.data import make_stream, resolve

        images = self.splits[split]
        return make_stream(
            images,
            config=dataclasses.replace(resolve(self.inputs, images), views=views),
            batch_size=self.fit.batch_size,
            train=train,
            seed=self.data_seed,
            device=self.device,
            rank=self.rank,
            world=self.world,
            extra=extra or {},
        )

    def evaluation(self) -> dict[str, Stream]:
        """Return the streams that every model is evaluated on: ``val`` chooses, ``test`` reports."""
        views = self.inputs.views
        return {name: self.stream(name, train=False, views=views) for name in ("val", "test") if name in self.splits}

    def new_model(self) -> Classifier:
        """Build the model to train, initialised from ``init_seed``."""
        from modelheir.models import build

        return build(
            self.model,
            classes=self.classes,
            image_size=self.image_size,
            config=self.network,
            seed=self.init_seed,
        )

    def old_copy(self) -> Classifier:
        """Return the one old model as a start for training; rows of classes that it does not know begin anew."""
        from modelheir.models import from_spec
        from modelheir.models.blends.interpolate import copy_weights

        models = self.old_models()
        if len(models) != 1:
            raise InputError(f"method.start_from_old needs exactly one --old, got {len(models)}.")
        self.same_network(models[0])
        spec = {**models[0].spec, "classes": list(self.classes), "seed": self.init_seed}
        return models[0] if models[0].classes == self.classes else copy_weights(models[0], from_spec(spec))

    def same_network(self, old: Classifier) -> None:
        """Refuse a ``--model`` that is not the old model's network, where training begins from the old weights."""
        if self.asked and old.spec.get("name") != self.asked:
            raise InputError(
                f"--model {self.asked} is asked for, but training begins from the weights of --old, which is a "
                f"{old.spec.get('name')}: leave --model out, or give the same network."
            )

    def task(
        self,
        modules: nn.Module | Mapping[str, nn.Module],
        stream: Stream,
        objective: Callable[[Mapping[str, Batch], Step], LossTerms] | None,
        *,
        references: Mapping[str, nn.Module] | None = None,
        state: Mapping[str, Stateful] | None = None,
    ) -> Task:
        """Return the usual task: one training stream, evaluation on every split, the run's learning-rate multipliers.

        Args:
            modules: The model, or all modules to train by name, the model as ``model``.
            stream: The training stream.
            objective: Batches and step to terms; ``None`` keeps the weights as they are.
            references: Frozen models.
            state: Further state that a resumed run must find again.
        """
        named = modules if isinstance(modules, Mapping) else {"model": modules}
        model: Any = named["model"]
        return Task(
            modules=named,
            streams={} if objective is None else {"train": stream},
            objective=objective,
            references=references or {},
            evaluate=self.evaluation(),
            parameter_groups=self._groups if self.fit.lr_multipliers else None,
            state=state or {},
            describe={"model": model.spec},
        )

    def _groups(self, module: nn.Module) -> Sequence[tuple[Sequence[Tensor], float, float | None]]:
        from modelheir.models import Classifier, parameter_groups

        inner = getattr(module, "model", module)  # a transplanted old head stands beside the model
        if not isinstance(inner, Classifier):
            return [(list(module.parameters()), 1.0, None)]
        groups = list(parameter_groups(inner, self.fit.lr_multipliers))
        taken = {id(parameter) for parameters, _ in groups for parameter in parameters}
        rest = [p for p in module.parameters() if id(p) not in taken]
        return [(tensors, rate, None) for tensors, rate in (*groups, (rest, 1.0))]

    def old_models(self) -> list[Classifier]:
        """Load the old models.

        Classes that are taken in order (``modelheir.classes``) get the data's names, and a line says so.

        Raises:
            InputError: If one of them is a file of predictions, which has no weights, or shares no class with the data.
        """
        from modelheir.models import load

        for spec in self.old:
            if is_predictions(spec):
                raise InputError(f"--old {spec} holds predictions; this method needs the model itself (run:, file:).")
        models = [load(spec) for spec in self.old]
        for spec, model in zip(self.old, models, strict=True):
            found = match_old(self.classes, model.class_list, spec, rule=self.class_rule)
            if found.in_order and found.together:
                model.rename([found.together[number] for number in found.numbers_together])
                _say(f"{spec}: classes by order: {found.in_words()}.")
        return models

    def teacher(self, stream: Stream) -> nn.Module:
        """Return the old models as one frozen teacher for the samples of ``stream``.

        Stored predictions stay what they are: outputs of one fixed view. Where training shows fixed views too, live
        models are also run only once a sample.
        """
        stored = [is_predictions(spec) for spec in self.old]
        if any(stored) and not all(stored):
            raise InputError("--old mixes models and files of predictions: store the models' predictions first.")
        weights = list(self.old_weights) or [1.0] * len(self.old)
        if len(weights) != len(self.old):
            raise InputError(f"--old_weights gives {len(weights)} weights for {len(self.old)} old models.")
        if all(stored):
            return self._stored(read_outputs(self.old, weights, self.classes, rule=self.class_rule), stream)
        return self.frozen(self.old_models(), stream, weights=weights)

    def frozen(
        self, members: Sequence[Classifier], stream: Stream, *, weights: Sequence[float] | None = None
    ) -> nn.Module:
        """Freeze models into one teacher; where every epoch shows the same view, run it once and keep the outputs."""
        from modelheir.models import Ensemble

        teacher: Any = Ensemble(list(members), weights=weights)
        if self.fixed_view:
            return self._stored(self.predict(teacher, self.stream_like(stream), True), stream)
        return teacher

    def stream_like(self, stream: Stream) -> Stream:
        """Return the same samples in order and unaugmented, one centre view each."""
        return self.stream(self._split(stream), train=False)

    def _split(self, stream: Stream) -> str:
        import numpy as np

        # a resident stream has left its undecodable images out
        return next(name for name, images in self.splits.items() if np.isin(stream.ids, images.ids).all())

    def _stored(self, found: Predictions, stream: Stream) -> nn.Module:
        images = self.splits[self._split(stream)]
        return stored_outputs(found, images, stream.ids, max_bad_share=self.inputs.max_bad_share)
