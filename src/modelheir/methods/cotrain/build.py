"""What the stages of one seed share: views, labelled samples and the pool, heads, and how they predict together."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from modelheir import data, inference, models
from modelheir.data.label_subsets import require_every_class
from modelheir.data.streams.repeated import Repeated
from modelheir.methods.given.parameter_groups import parameter_groups
from modelheir.metrics.calibration import fit_temperature
from modelheir.plans import Stage, Task

if TYPE_CHECKING:
    from torch import nn

    from modelheir.data import VectorSet
    from modelheir.methods.cotrain.config import Config
    from modelheir.methods.given import Given
    from modelheir.methods.given.views import Views
    from modelheir.models.encoders import Encoder
    from modelheir.types import StageResult, Stream

__all__ = ["PLAIN", "Build", "Done", "Node"]

Node = tuple[str, ...]  #: stages whose best on the selection images is gone on with
Done = Mapping[str, "StageResult"]
Known = Callable[[Done], np.ndarray]
Opens = Callable[[Done], "Views"]
PLAIN: dict[str, Any] = {"kind": "linear", "members": 1, "temperature": 1.0}  #: a head that is one linear layer
_BLOCK = 65_536  #: vectors read at once
_WIDE = 1_000  #: number of the first head on all views, among a seed's


class Build:
    """One seed's pieces.

    Args:
        config: The method's settings.
        given: Data and settings of the run, with the seeds of this member.
        views: Opens the views, by finished stages.
        known: Sample ids of the training images whose labels are used, by finished stages.
        suffix: Of every stage's name.
    """

    def __init__(self, config: Config, given: Given, views: Opens, known: Known, *, suffix: str = "") -> None:
        self.config, self.given, self.suffix = config, given, suffix
        self._views, self._known = views, known
        self.stages: dict[str, Stage] = {}  #: name -> stage, in the order that they are trained
        self.done: Done = {}  #: finished stages, as the one that is prepared was told

    def add(self, name: str, prepare: Callable[[Done], Task | None]) -> Node:
        """Add a stage, once; return the node of it alone."""
        whole = f"{name}{self.suffix}"

        def told(done: Done) -> Task | None:
            self.done = done
            return prepare(done)

        self.stages.setdefault(whole, Stage(whole, told))
        return (whole,)

    @functools.cached_property
    def views(self) -> Views:
        """The views, with this member's order of samples."""
        return dataclasses.replace(self._views(self.done), known=self.given.data)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the views' heads."""
        return tuple(f"view_{number}" for number in range(1, len(self.views) + 1))

    @functools.cached_property
    def labelled(self) -> VectorSet:
        """Training samples whose labels are used.

        Raises:
            InputError: If the views lack all of a class.
        """
        train = self.views.sets["train"]
        found = train.subset(np.isin(train.ids, self._known(self.done)), name=f"{train.name}, labelled")
        require_every_class(found.labels, np.arange(len(found)), found.classes)
        return found

    @functools.cached_property
    def pool(self) -> VectorSet:
        """Samples without labels: those of ``--unlabelled``, or the training images whose labels are not used."""
        if "unlabelled" in self.views.sets:
            return self.views.sets["unlabelled"]
        train = self.views.sets["train"]
        rest = train.subset(~np.isin(train.ids, self._known(self.done)), name=f"{train.name}, without labels")
        return dataclasses.replace(rest, labels=np.full(len(rest), -1))

    @functools.cached_property
    def moments(self) -> tuple[models.Moments, ...]:
        """Mean and deviation of every view's training vectors, labelled or not."""

        def blocks(view: int) -> Iterator[np.ndarray]:
            for vectors in (self.labelled, self.pool):
                for first in range(0, len(vectors), _BLOCK):
                    yield vectors.read(np.arange(first, min(first + _BLOCK, len(vectors))))[view]

        return tuple(models.vector_moments(blocks(view)) for view in range(len(self.views)))

    @functools.cached_property
    def prior(self) -> np.ndarray:
        """Frequencies of the classes among the labelled samples, one sample more of each."""
        counts = np.bincount(self.labelled.labels, minlength=len(self.labelled.classes)) + 1.0
        return counts / counts.sum()

    @property
    def steps(self) -> int:
        """Steps of an epoch: as many batches as the pool has."""
        return max(1, len(self.pool) // self.given.data.batch_size)

    def heads(self, number: int = 0) -> dict[str, models.VectorHead]:
        """Return a new head for each view; ``number`` makes others with the same seed."""
        return {
            name: self.head(width, moments, place + number * len(self.names))
            for place, (name, width, moments) in enumerate(
                zip(self.names, self.views.widths, self.moments, strict=True)
            )
        }

    def wide_head(self, **changes: Any) -> models.VectorHead:
        """Return a new head on all views side by side; ``changes`` are of the settings of heads."""
        import torch

        moments = models.Moments(*(torch.cat(parts) for parts in zip(*self.moments, strict=True)))
        return self.head(sum(self.views.widths), moments, _WIDE, **changes)

    def wide(self, vectors: VectorSet) -> np.ndarray:
        """Return vectors with all views side by side, scaled as heads scale them, float32 ``(N, D)``."""
        import torch

        joined = torch.from_numpy(np.concatenate(vectors.read(np.arange(len(vectors))), 1))
        with torch.no_grad():
            return self.wide_head(**PLAIN).scaling(joined).numpy()

    def named(self, rows: np.ndarray, labels: np.ndarray) -> VectorSet:
        """Return the labelled samples and some of the pool with labels that they were given.

        Args:
            rows: Of the pool.
            labels: One a row.
        """
        given = dataclasses.replace(self.pool.subset(rows), labels=labels.astype(np.int64))
        return data.join_samples([self.labelled, given], name=f"{self.labelled.name} and {len(rows)} of the pool")

    def head(self, width: int, moments: models.Moments, place: int, **changes: Any) -> models.VectorHead:
        """Return a new head; ``place`` tells heads of one seed apart."""
        seed = np.random.SeedSequence([self.given.model.seed, place]).generate_state(1).item()
        config = dataclasses.replace(self.config.head, **changes)
        return models.build_vector_head(config, width=width, classes=self.labelled.classes, seed=seed, moments=moments)

    def loaded(self, result: StageResult) -> dict[str, models.VectorHead]:
        """Return the heads that a stage left."""
        whole: Any = models.from_spec(result.describe["model"])
        whole.load_state_dict(result.weights("model"))
        return dict(whole.heads.items())

    def temperatures(self, heads: Mapping[str, models.VectorHead]) -> list[float]:
        """Return what each head's logits are divided by: what fits the selection images, or 1 where that is off."""
        if not self.config.calibrate:
            return [1.0] * len(heads)
        val = self.views.sets["val"]
        known = val.subset(val.labels >= 0)
        return [float(fit_temperature(logits, known.labels)) for logits in self.logits(heads, known)]

    def classifier(
        self,
        heads: Mapping[str, models.VectorHead],
        temperatures: Sequence[float] = (),
        tuned: Mapping[str, Encoder] | None = None,
    ) -> models.ViewClassifier:
        """Return heads, one a view or a single one on all side by side, as the classifier that they are together.

        Args:
            heads: In the order of the views.
            temperatures: What each one's logits are divided by; (): 1.
            tuned: As :class:`~modelheir.models.ViewClassifier` takes them.
        """
        spec = {
            "name": "views",
            "classes": list(self.labelled.classes),
            "image_size": self.given.data.image_size,
            "encoders": list(self.views.encoders),
            "heads": {name: head.spec for name, head in heads.items()},
            "joint": self.config.joint,
            "prior": self.prior.tolist(),
            "temperatures": list(temperatures or [1.0] * len(heads)),
        }
        return models.ViewClassifier(heads, spec=spec, tuned=tuned)

    def repeated(self, stream: Stream) -> Stream:
        """Return a stream whose epoch is as long as the pool's."""
        return Repeated(stream, self.steps)

    def task(
        self,
        heads: Mapping[str, models.VectorHead],
        streams: Mapping[str, Stream],
        *,
        temperatures: Sequence[float] = (),
        tuned: Mapping[str, Encoder] | None = None,
        **given: Any,
    ) -> Task:
        """Return a task over heads that predict together; the run's model is the classifier that they are.

        Args:
            heads: As in :meth:`classifier`; each is a module of its own as well, for an optimiser a head.
            streams: Of the task.
            temperatures: As in :meth:`classifier`.
            tuned: As in :meth:`classifier`.
            **given: Of the task.
        """
        whole = self.classifier(heads, temperatures, tuned)
        return Task(
            modules={"model": whole},
            streams=streams,
            evaluate=self.views.evaluation(),
            predict=lambda batch: whole.on_views(batch.inputs),
            parameter_groups=parameter_groups(self.given.fit),
            describe={"model": whole.spec, **given.pop("describe", {})},
            **given,
        )

    def logits(self, heads: Mapping[str, nn.Module], vectors: VectorSet) -> list[np.ndarray]:
        """Return what each head says of its view of some samples, ``(N, C)`` each, in evaluation mode.

        The main process says it for all, so that what hangs on it is decided alike.
        """
        return self.given.data.runtime.by_main(lambda: self._logits(heads, vectors))

    def _logits(self, heads: Mapping[str, nn.Module], vectors: VectorSet) -> list[np.ndarray]:
        import torch

        device, found = self.given.data.runtime.device, {name: [] for name in heads}
        with torch.no_grad(), inference.evaluation(heads.values()):
            for first in range(0, len(vectors), _BLOCK):
                read = vectors.read(np.arange(first, min(first + _BLOCK, len(vectors))))
                inputs = [torch.from_numpy(one) for one in ([np.concatenate(read, 1)] if len(heads) == 1 else read)]
                for (name, head), view in zip(heads.items(), inputs, strict=True):
                    found[name].append(head.to(device)(view.to(device)).logits.float().cpu().numpy())
        return [np.concatenate(parts) for parts in found.values()]
