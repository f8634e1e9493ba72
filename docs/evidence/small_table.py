"""The small table: update methods on a ten-class problem of vectors, each a front of error against NFR over seeds.

Run ``OMP_NUM_THREADS=1 python docs/evidence/small_table.py``. It writes ``small_table.json`` (every arm and seed) and
``small_table.svg`` beside itself and prints the Markdown tables of ``small_table.md``.

The networks are so small that a step of the engine would be all overhead. So those of one arm (its weights times the
seeds) are trained as one stack of tensors. Distances, filters, optimiser, schedule, interpolation and metrics are the
library's own; only the loop is of this file.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch
from sklearn.datasets import make_classification
from torch import Tensor, nn

from modelheir import losses, objective
from modelheir.analysis.arms import over_seeds
from modelheir.config.fit import FitConfig
from modelheir.engine.optim import make_optimizer, set_learning_rate
from modelheir.engine.schedules import learning_rate
from modelheir.methods.upgrade.upgrade import Pull
from modelheir.metrics.flips import flip_rates
from modelheir.metrics.front import hypervolume
from modelheir.models.blends.alpha import alpha_grid, choose_alpha, score_alphas
from modelheir.models.blends.interpolation import interpolate
from modelheir.objective.distances import DistanceConfig, KLDistillation, LogitDifference, make_distance
from modelheir.types import Outputs

CLASSES, INPUTS, TRAIN, SELECTION = 10, 20, 4000, 2000  # rows: 4000 to train, 2000 to choose, the other 6000 to report
MEMBERS, SIZES = 8, (1, 2, 4, 8)
SEEDS = (10, 11, 12, 13, 14)
NEW_TASK = 11  # another draw of the data, for what was found by looking at results
FIT = FitConfig(epochs=50, batch_size=128, optimizer="sgd", lr=0.03, momentum=0.9, weight_decay=5e-4, schedule="cosine")


@dataclasses.dataclass(frozen=True)
class Setting:
    """Sizes of the old and the new network and of the old one's training data."""

    name: str
    old_width: int
    old_rows: int
    new_width: int


SETTINGS = {
    "A": Setting("A", old_width=64, old_rows=4000, new_width=64),
    "B": Setting("B", old_width=64, old_rows=2000, new_width=128),
    "C": Setting("C", old_width=24, old_rows=800, new_width=128),
}


# Networks and their training


class Stack(nn.Module):
    """``M`` networks of two hidden ReLU layers in one set of tensors; inputs ``(M, N, 20)`` or ``(N, 20)``."""

    def __init__(self, seeds: Sequence[int], width: int) -> None:
        super().__init__()
        drawn: list[list[Tensor]] = [[] for _ in range(6)]
        for seed in seeds:
            generator = torch.Generator().manual_seed(seed)
            for layer, (fan_in, fan_out) in enumerate([(INPUTS, width), (width, width), (width, CLASSES)]):
                for place, shape in ((2 * layer, (fan_in, fan_out)), (2 * layer + 1, (1, fan_out))):
                    drawn[place].append((2 * torch.rand(shape, generator=generator) - 1) / fan_in**0.5)
        self.layers = nn.ParameterList([nn.Parameter(torch.stack(values)) for values in drawn])
        self.width = width

    def __len__(self) -> int:
        return len(self.layers[0])

    def forward(self, inputs: Tensor) -> Outputs:
        """Return logits ``(M, N, C)`` and features ``(M, N, width)``."""
        w1, b1, w2, b2, w3, b3 = self.layers
        if inputs.ndim == 2:
            inputs = inputs.expand(len(self), *inputs.shape)
        hidden = torch.baddbmm(b1, inputs, w1).relu()
        features = torch.baddbmm(b2, hidden, w2).relu()
        return Outputs(torch.baddbmm(b3, features, w3), features)

    @torch.no_grad()
    def logits(self, inputs: Tensor) -> Tensor:
        """Return logits ``(M, N, C)`` without gradient."""
        return self(inputs).logits

    def like(self, state: Mapping[str, Tensor]) -> Stack:
        """Return a stack with these weights."""
        other = Stack([0] * len(state["layers.0"]), state["layers.0"].shape[2])
        other.load_state_dict(dict(state))
        return other

    def pick(self, rows: Sequence[int]) -> Stack:
        """Return some of the networks."""
        return self.like({name: value[list(rows)].clone() for name, value in self.state_dict().items()})

    def widened(self, seed: int = 0, noise: float = 0.05) -> Stack:
        """Return networks of twice the width that compute nearly the same: each unit twice, half its effect, noise."""
        generator = torch.Generator().manual_seed(seed)
        w1, b1, w2, b2, w3, b3 = (value.detach() for value in self.layers)
        once = torch.cat([w2, w2], dim=2)
        wide = [torch.cat([w1, w1], dim=2), torch.cat([b1, b1], dim=2), torch.cat([once, once], dim=1) / 2]
        wide += [torch.cat([b2, b2], dim=2), torch.cat([w3, w3], dim=1) / 2, b3]
        shaken = [v * (1 + noise * torch.randn(v.shape, generator=generator)) if v.shape[1] > 1 else v for v in wide]
        return self.like({f"layers.{place}": value for place, value in enumerate(shaken)})


class Teacher:
    """The mean outputs of some networks a seed: live on any inputs ``(S, N, 20)``, remembered on the training rows."""

    def __init__(self, stack: Stack, seeds: int, inputs: Tensor) -> None:
        self.stack, self.seeds = stack, seeds
        self.known = self(inputs.expand(seeds, *inputs.shape))

    @torch.no_grad()
    def __call__(self, inputs: Tensor) -> Outputs:
        """Return mean outputs ``(S, N, ...)``."""
        members = len(self.stack) // self.seeds
        found = self.stack(inputs.repeat_interleave(members, dim=0))
        return Outputs(*(part.unflatten(0, (self.seeds, members)).mean(dim=1) for part in found[:2]))


@dataclasses.dataclass(frozen=True)
class Towards:
    """One pull: to whom, by which distance, on which rows."""

    teacher: str
    distance: DistanceConfig
    pull: Pull
    batch_scalar: bool = False  #: a known fault: mean weight times mean distance in place of the mean of products


@dataclasses.dataclass(frozen=True)
class Arm:
    """One method: its pulls, and the weights of the first that make its front."""

    name: str
    weights: tuple[float, ...] = (0.0,)  #: lambda of the first pull; its share where ``share``
    pulls: tuple[Towards, ...] = ()
    share: bool = False  #: (1 - weight) task + weight distance, in place of a sum
    task: float = 1.0  #: weight of the supervised loss
    from_old: bool = False  #: begin with the old weights
    mixed: str = ""  #: on convex mixtures of two rows: the pulls ("pulls"), or the task as well ("all")
    cool_from: float = 1.0  #: share of training after which the first pull falls linearly to 0


def train(
    arm: Arm,
    seeds: Sequence[int],
    *,
    width: int,
    rows: int,
    data: tuple[Tensor, Tensor],
    teachers: Mapping[str, Teacher],
    start: Stack | None = None,
    fit: FitConfig = FIT,
) -> Stack:
    """Train ``len(arm.weights) * len(seeds)`` networks at once; the result holds them weight by weight.

    A seed fixes the first weights and the order of the rows, so arms are paired at a seed. The loss is a sum over
    networks: no network feels another.
    """
    fronts, count = len(arm.weights), len(seeds)
    values = torch.tensor(arm.weights).repeat_interleave(count)
    stack = Stack([seed for _ in arm.weights for seed in seeds], width)
    if arm.from_old:
        if start is None:
            raise ValueError(f"arm {arm.name!r} starts from old weights and there are none of its width")
        stack.load_state_dict({name: value.repeat(fronts, 1, 1) for name, value in start.state_dict().items()})
    distances = [
        make_distance(
            one.distance,
            classes=CLASSES,
            new_features=width,
            old_features=teachers[one.teacher].stack.width,
            seed=0,
        )[0]
        for one in arm.pulls
    ]
    orders = [torch.Generator().manual_seed(10_000 + seed) for seed in seeds]
    mixing = torch.Generator().manual_seed(20_000)
    optimizer = make_optimizer([stack], fit)
    length, every = -(-rows // fit.batch_size), torch.arange(count)[:, None]
    for epoch in range(fit.epochs):
        order = torch.stack([torch.randperm(rows, generator=one) for one in orders])
        for number, index in enumerate(order.split(fit.batch_size, dim=1), start=epoch * length):
            inputs, labels = data[0][index], data[1][index].repeat(fronts, 1)
            new = stack(inputs.repeat(fronts, 1, 1))
            task = losses.cross_entropy(new.logits.flatten(0, 1), labels.flatten())
            if arm.mixed:
                share = torch.rand((count, index.shape[1], 1), generator=mixing)
                inputs = share * inputs + (1 - share) * inputs.flip(1)
                new, share = stack(inputs.repeat(fronts, 1, 1)), share.repeat(fronts, 1, 1)
                if arm.mixed == "all":
                    target = nn.functional.one_hot(labels, CLASSES).float()
                    target = share * target + (1 - share) * target.flip(1)
                    task = losses.soft_cross_entropy(new.logits.flatten(0, 1), target.flatten(0, 1))
            loss = (task.view(labels.shape).mean(dim=1) * (1 - values if arm.share else arm.task)).sum()
            done = number / (fit.epochs * length)
            cool = min(1.0, (1 - done) / (1 - arm.cool_from)) if arm.cool_from < 1 else 1.0
            for place, (one, distance) in enumerate(zip(arm.pulls, distances, strict=True)):
                teacher = teachers[one.teacher]
                old = teacher(inputs) if arm.mixed else Outputs(*(part[every, index] for part in teacher.known[:2]))
                old = Outputs(*(part.repeat(fronts, 1, 1) for part in old[:2]))
                strength = values * cool if place == 0 else torch.ones_like(values)
                loss = loss + (strength * one.pull.weight * pulled(one, distance, new, old, labels)).sum()
            set_learning_rate(optimizer, learning_rate(fit, number, length))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return stack


def pulled(one: Towards, distance: Callable[..., Tensor], new: Outputs, old: Outputs, labels: Tensor) -> Tensor:
    """Return the filtered distance of each network, ``(M,)``, from the library's per-image distances and weights."""
    models, rows = labels.shape
    if one.distance.loss == "neighbourhood_alignment":  # compares rows of one batch, so networks must not be joined
        near = functools.partial(losses.neighbourhood_alignment, **vars(one.distance.neighbourhood_alignment))
        values = torch.func.vmap(near)(new.features, old.features, labels)
    else:
        flat = [Outputs(*(part.flatten(0, 1) for part in both[:2])) for both in (new, old)]
        values = distance(*flat, labels.flatten(), None).view(models, rows)
    weights = objective.sample_weights(
        one.pull.filter,
        new.logits.flatten(0, 1),
        old.logits.flatten(0, 1),
        labels.flatten(),
        base=one.pull.base,
        scale=one.pull.focus,
    ).view(models, rows)
    if one.batch_scalar:
        return weights.mean(dim=1) * values.mean(dim=1)
    return (weights * values).mean(dim=1)


# Arms

ALL = Pull(filter="all_pass", normalize=False)
FOCAL = Pull(base=1.0, focus=5.0, normalize=False)
KL_100 = DistanceConfig(loss="kl_distillation")
MATCHING = DistanceConfig(loss="logit_matching")
LDI = DistanceConfig(loss="logit_difference")
LDI_0 = DistanceConfig(loss="logit_difference", logit_difference=LogitDifference(margin=0.0))
CNA = DistanceConfig(loss="neighbourhood_alignment")
KL_4 = DistanceConfig(loss="kl_distillation", kl_distillation=KLDistillation(temperature=4.0))

NONE = Arm("none")
NAIVE = Arm("naive", (0.3, 1.0, 3.0), (Towards("old", DistanceConfig(loss="new_error"), ALL),))
FD_KL = Arm("FD-KL", (0.03, 0.1, 0.3, 1.0), (Towards("old", KL_100, FOCAL),))
FD_LM = Arm("FD-LM", (0.03, 0.1, 0.3), (Towards("old", MATCHING, FOCAL),))
SCALAR = Arm("FD-KL, batch-scalar weights", (0.1, 0.3, 1.0), (Towards("old", KL_100, FOCAL, batch_scalar=True),))
KD = Arm("KD-KL", (0.1, 0.3, 1.0), (Towards("old", KL_100, ALL),))
# Any further term makes a larger step of SGD, which alone lowers the error here: the same arms with a larger task loss
LARGER_STEPS = (
    Arm("none, task weight 4", task=4.0),
    dataclasses.replace(KD, name="KD-KL, task weight 4", weights=(0.3, 1.0, 3.0), task=4.0),
    dataclasses.replace(FD_LM, name="FD-LM, task weight 4", task=4.0),
)
ELODI = Arm("ELODI, new side", (0.5, 0.8, 0.9), (Towards("ensemble", LDI_0, ALL),), share=True)
PUBLISHED = (
    NAIVE,
    KD,
    FD_KL,
    FD_LM,
    Arm("LDI", (0.3, 0.5, 0.8), (Towards("old", LDI, ALL),), share=True),
    Arm("CNA", (0.1, 0.3, 1.0), (Towards("old", CNA, ALL),)),
    ELODI,
)
ONE_NETWORK = ("none", *(arm.name for arm in (*PUBLISHED, *LARGER_STEPS)), "BCWI")

_TO_ENSEMBLE = Towards("ensemble", MATCHING, ALL)
TWO_TEACHERS = Arm("two teachers", (0.03, 0.1, 0.3, 0.5), (Towards("old", MATCHING, FOCAL), _TO_ENSEMBLE))
ON_MIXTURES = Arm(
    "two teachers, on mixtures", (0.3, 1.0, 2.0, 3.0), (Towards("old", MATCHING, ALL), _TO_ENSEMBLE), mixed="pulls"
)
FROM_OLD = dataclasses.replace(TWO_TEACHERS, name="two teachers, from old weights", from_old=True)
BEYOND = (
    Arm("ensemble alone (LM)", (0.3, 1.0, 3.0), (_TO_ENSEMBLE,)),
    TWO_TEACHERS,
    ON_MIXTURES,
    FROM_OLD,
    dataclasses.replace(ON_MIXTURES, name="two teachers, on mixtures, from old weights", from_old=True),
    Arm("FD-LM, from old weights", FD_LM.weights, FD_LM.pulls, from_old=True),
    dataclasses.replace(
        TWO_TEACHERS, name="two teachers, mixed task", weights=(0.3, 1.0, 3.0), pulls=ON_MIXTURES.pulls, mixed="all"
    ),
    dataclasses.replace(TWO_TEACHERS, name="two teachers, cooled", weights=(0.03, 0.1, 0.3), cool_from=0.5),
    Arm("two teachers, old corrected", (0.2, 0.6, 1.8), (Towards("corrected", MATCHING, ALL), _TO_ENSEMBLE)),
    Arm("mean of both as one teacher", (0.5, 1.0, 2.0), (Towards("mean", MATCHING, ALL),)),
    Arm(
        "two teachers, ELODI distance",
        (0.03, 0.1, 0.3),
        (
            Towards("old", MATCHING, dataclasses.replace(FOCAL, weight=0.8)),
            Towards("ensemble", LDI_0, dataclasses.replace(ALL, weight=0.8)),
        ),
        task=0.2,
    ),
    Arm(
        "two teachers, KL at T = 4 to the ensemble",
        (0.03, 0.1, 0.3),
        (Towards("old", MATCHING, FOCAL), Towards("ensemble", KL_4, dataclasses.replace(ALL, weight=0.5))),
    ),
)
CONFIRM = (
    NONE,
    Arm("naive", (1.0, 4.0), NAIVE.pulls),
    dataclasses.replace(KD, weights=(0.3, 1.0, 3.0)),
    dataclasses.replace(FD_KL, weights=(0.1, 0.3, 1.0)),
    FD_LM,
    Arm("CNA", (0.3, 1.0, 3.0), (Towards("old", CNA, ALL),)),
    Arm("ensemble alone (LM)", (1.0, 2.0), (_TO_ENSEMBLE,)),
    dataclasses.replace(TWO_TEACHERS, weights=(0.03, 0.1, 0.3)),
    dataclasses.replace(ON_MIXTURES, weights=(0.3, 1.0, 3.0)),
)
CONFIRM_FROM_OLD = tuple(
    dataclasses.replace(arm, name=f"{arm.name}, from old weights", from_old=True) for arm in (FD_LM, *CONFIRM[-2:])
)


# The experiment


def make_data(task: int = 7) -> tuple[Tensor, Tensor]:
    """Return inputs ``(12000, 20)``, standardised by the training rows, and labels."""
    inputs, labels = make_classification(
        n_samples=12000,
        n_features=INPUTS,
        n_informative=12,
        n_redundant=4,
        n_classes=CLASSES,
        n_clusters_per_class=2,
        class_sep=1.5,
        flip_y=0.02,
        random_state=task,
    )
    known = inputs[:TRAIN]
    inputs = (inputs - known.mean(axis=0)) / known.std(axis=0)
    return torch.tensor(inputs, dtype=torch.float32), torch.tensor(labels, dtype=torch.int64)


class Bench:
    """One setting on one task: its old models, teachers, and the records of what was measured."""

    def __init__(
        self,
        setting: Setting,
        *,
        task: int = 7,
        seeds: Sequence[int] = SEEDS,
        members: int = MEMBERS,
        fit: FitConfig = FIT,
        task_weight: float = 1.0,
    ) -> None:
        self.setting, self.task, self.seeds, self.members, self.fit = setting, task, list(seeds), members, fit
        self.task_weight, self.records = task_weight, list[dict[str, Any]]()
        self.data, self.teachers = make_data(task), dict[str, Teacher]()
        self.began = time.process_time()
        s = setting
        self.old_members = self._fit(NONE, self._member_seeds(5), s.old_width, s.old_rows)
        self.old = self.old_members.pick(range(0, len(self.old_members), members))
        known = self.data[0][:TRAIN]
        self.teachers["old"] = Teacher(self.old, len(self.seeds), known)
        self.new_members: Stack | None = None
        if s.new_width == s.old_width:
            self.start: Stack | None = self.old
        else:
            self.start = self.old.widened() if s.new_width == 2 * s.old_width else None

    def with_ensemble(self) -> Bench:
        """Train the new side's ensembles, and make the teachers that need them."""
        count, known = len(self.seeds), self.data[0][:TRAIN]
        self.new_members = self._fit(NONE, self._member_seeds(1), self.setting.new_width, TRAIN)
        ensemble, old = Teacher(self.new_members, count, known), self.teachers["old"]
        corrected, mean = Teacher(self.old, count, known), Teacher(self.old, count, known)
        labels = self.data[1][:TRAIN].expand(count, TRAIN)[..., None]
        top, at_label = old.known.logits.max(dim=2, keepdim=True), old.known.logits.gather(2, labels)
        swapped = old.known.logits.scatter(2, top.indices, at_label).scatter(2, labels, top.values)
        corrected.known = Outputs(swapped, old.known.features)
        mean.known = Outputs((old.known.logits + ensemble.known.logits) / 2, old.known.features)
        self.teachers |= {
            "ensemble": ensemble,
            "old_ensemble": Teacher(self.old_members, count, known),
            "corrected": corrected,
            "mean": mean,
        }
        self._note("members of the ensembles")
        return self

    def _member_seeds(self, side: int) -> list[int]:
        return [10_000 * side + 100 * seed + member for seed in self.seeds for member in range(self.members)]

    def _fit(self, arm: Arm, seeds: Sequence[int], width: int, rows: int, **settings: Any) -> Stack:
        arm = dataclasses.replace(arm, task=arm.task * self.task_weight)
        known = {"data": self.data, "teachers": self.teachers, "fit": self.fit}
        return train(arm, seeds, width=width, rows=rows, **known, **settings)

    def _note(self, name: str) -> None:
        now = time.process_time()
        print(f"{self.task} {self.setting.name} {name}: {now - self.began:.1f} s of CPU", flush=True)
        self.began = now

    def run(self, arm: Arm) -> Stack:
        """Train and measure one arm against the old models."""
        stack = self._fit(arm, self.seeds, self.setting.new_width, TRAIN, start=self.start if arm.from_old else None)
        self.measure(arm.name, arm.weights, stack.logits(self.data[0][TRAIN:]))
        self._note(arm.name)
        return stack

    def measure(self, name: str, weights: Sequence[Any], new: Tensor, old: Tensor | None = None) -> None:
        """Record logits ``(weights * seeds, N, C)`` on the test rows against old ones ``(seeds or as many, N, C)``."""
        old = self.old.logits(self.data[0][TRAIN:]) if old is None else old
        count, labels = len(self.seeds), self.data[1][TRAIN:].numpy()
        new_answers, old_answers = new.argmax(dim=2).numpy(), old.argmax(dim=2).numpy()
        for place, answers in enumerate(new_answers):
            record: dict[str, Any] = {"task": self.task, "setting": self.setting.name, "arm": name}
            record |= {"task_weight": self.task_weight}
            record |= {"weight": weights[place // count], "seed": self.seeds[place % count]}
            before = old_answers[place % len(old_answers)]
            for part, rows in (("selection", slice(0, SELECTION)), ("report", slice(SELECTION, None))):
                found = flip_rates(before[rows], answers[rows], labels[rows])
                record[part] = {
                    "error_old": round(1 - found["accuracy_old"], 6),
                    "error": round(1 - found["accuracy_new"], 6),
                    **{key: round(found[key], 6) for key in ("nfr", "pfr", "relative_nfr", "churn")},
                }
            self.records.append(record)

    def ensembles(self) -> None:
        """Record ensembles of several sizes, on both sides and on the new side alone."""
        inputs, count = self.data[0][TRAIN:], len(self.seeds)
        new, old = (
            stack.logits(inputs).unflatten(0, (count, self.members)) for stack in (self.new_members, self.old_members)
        )
        for size in (size for size in SIZES if size <= self.members):
            both = new[:, :size].mean(dim=1), old[:, :size].mean(dim=1)
            self.measure("ensembles, both sides", [size], *both)
            self.measure("ensemble, new side", [size], both[0])

    def elodi_both_sides(self) -> None:
        """Record ELODI students against ELODI students of the old setting."""
        s, inputs = self.setting, self.data[0][TRAIN:]
        before = dataclasses.replace(ELODI, pulls=(Towards("old_ensemble", LDI_0, ALL),))
        seeds = [seed + 50_000 for seed in self.seeds]
        old = self._fit(before, seeds, s.old_width, s.old_rows)
        new = self._fit(ELODI, self.seeds, s.new_width, TRAIN)
        self.measure("ELODI, both sides", ELODI.weights, new.logits(inputs), old.logits(inputs))
        self._note("ELODI, both sides")

    def blend(self, name: str, new: Stack, alphas: Sequence[float] = (0.25, 0.5, 0.75)) -> None:
        """Record blends of the starting weights with fine-tuned ones; also the blend that the selection rows choose."""
        inputs, labels = self.data[0][TRAIN:], self.data[1][TRAIN:].numpy()[:SELECTION]
        ends = self.start.state_dict(), new.state_dict()
        answers = {a: new.like(interpolate(*ends, a)).logits(inputs) for a in {*alpha_grid(), *alphas}}
        before = self.old.logits(inputs).argmax(dim=2).numpy()[:, :SELECTION]
        for alpha in alphas:
            self.measure(name, [alpha], answers[alpha])
        chosen = []
        for place in range(len(self.seeds)):
            selection = {a: z[place, :SELECTION].argmax(dim=1).numpy() for a, z in answers.items()}
            scores = score_alphas(alpha_grid(), selection.__getitem__, old=before[place], labels=labels)
            chosen.append(answers[choose_alpha(scores).alpha][place])
        self.measure(name, ["chosen"], torch.stack(chosen))
        self._note(name)


def run(name: str) -> list[dict[str, Any]]:
    """Run one setting of the first and the second table."""
    bench = Bench(SETTINGS[name]).with_ensemble()
    bench.ensembles()
    for arm in (NONE, *PUBLISHED, *(LARGER_STEPS if name != "C" else (LARGER_STEPS[0], SCALAR))):
        bench.run(arm)
    bench.elodi_both_sides()
    if name == "A":
        bench.blend("BCWI", bench.run(Arm("start from old weights", from_old=True)))
    if name == "C":
        return bench.records
    for arm in BEYOND:
        stack = bench.run(arm)
        if arm is FROM_OLD:
            middle = FROM_OLD.weights.index(0.1) * len(SEEDS)
            bench.blend(f"{arm.name} 0.1, blended", stack.pick(range(middle, middle + len(SEEDS))))
    return bench.records


def confirm(name: str, task: int = NEW_TASK) -> list[dict[str, Any]]:
    """Hold the recipes against the published methods on a new task, all at task weight 4, old models too."""
    bench = Bench(SETTINGS[name], task=task, task_weight=4.0).with_ensemble()
    bench.ensembles()
    for arm in CONFIRM:
        bench.run(arm)
    if name == "A":
        bench.blend("BCWI", bench.run(Arm("start from old weights", from_old=True)))
        for arm in CONFIRM_FROM_OLD:
            bench.run(arm)
    return bench.records


# What the records say


def values(
    records: Sequence[Mapping[str, Any]],
    arm: str,
    weight: Any,
    measure: str,
    *,
    setting: str,
    task: int = 7,
    part: str = "report",
) -> np.ndarray:
    """Return one measure of one arm at one weight, seed by seed."""
    wanted = (task, setting, arm, weight)
    found = [r for r in records if (r["task"], r["setting"], r["arm"], r["weight"]) == wanted]
    return np.array([r[part][measure] for r in sorted(found, key=lambda r: r["seed"])])


def points(records: Sequence[Mapping[str, Any]], *, setting: str, task: int = 7) -> list[tuple[str, Any]]:
    """Return the (arm, weight) pairs of a setting in the order of their measurement."""
    return list(dict.fromkeys((r["arm"], r["weight"]) for r in records if (r["task"], r["setting"]) == (task, setting)))


def directions(records: Sequence[Mapping[str, Any]]) -> list[tuple[str, bool, str]]:
    """Judge the five directions that the experiment must show: name, whether it holds, the numbers."""
    a, b, c = (functools.partial(values, records, setting=name) for name in SETTINGS)
    verdicts = []
    plain_error, plain = a("none", 0.0, "error"), a("none", 0.0, "nfr")
    drops = {}
    for arm, weight in (("FD-KL", 0.3), ("FD-LM", 0.1)):
        error, nfr = a(arm, weight, "error"), a(arm, weight, "nfr")
        drops[arm] = 1 - nfr.mean() / plain.mean()
        bound = 2 * ((error.var(ddof=1) + plain_error.var(ddof=1)) / len(error)) ** 0.5
        rise = error.mean() - plain_error.mean()
        gap = _percent(*over_seeds(list(error - plain_error)), sign=True)
        text = f"A, {arm} {weight}: NFR {_share(nfr, plain)}; ER {gap} points (two standard errors: {100 * bound:.2f})"
        verdicts.append(("1", bool(drops[arm] >= 0.3 and rise <= bound), text))
    naive = 1 - a("naive", 1.0, "nfr").mean() / plain.mean()
    text = f"A, naive 1.0: NFR {_share(a('naive', 1.0, 'nfr'), plain)}, less than half of both"
    verdicts.append(("2", bool(naive < min(drops.values()) / 2), text))
    for name in SETTINGS:
        of = functools.partial(values, records, "ensembles, both sides", setting=name)
        nfr, error = (np.array([of(size, key).mean() for size in SIZES]) for key in ("nfr", "error"))
        holds = bool((np.diff(nfr) < 0).all() and nfr[-1] / nfr[0] < error[-1] / error[0])
        shares = [_share(of(SIZES[-1], key), of(SIZES[0], key)) for key in ("nfr", "error")]
        text = f"{name}, 1 to 8 members: NFR {shares[0]}, ER {shares[1]}"
        verdicts.append(("3", holds, text))
    for arm in (FD_KL, FD_LM):
        nfr, error = (np.array([b(arm.name, w, key).mean() for w in arm.weights]) for key in ("nfr", "error"))
        holds = bool((np.diff(nfr) < 0).all() and (np.diff(error) > 0).all())
        path = ", ".join(f"{100 * e:.1f}/{100 * n:.2f}" for e, n in zip(error, nfr, strict=True))
        verdicts.append(("4", holds, f"B, {arm.name}, ER/NFR along lambda: {path}"))
    for weight in SCALAR.weights:
        gap = c("FD-KL", weight, "error") - c(SCALAR.name, weight, "error")
        mean, interval = over_seeds(list(gap))
        text = f"C, lambda {weight}: ER of per-sample minus batch-scalar {_percent(mean, interval, sign=True)}"
        verdicts.append(("5", bool(mean < 0), text))
    return verdicts


def choice(records: Sequence[Mapping[str, Any]], arm: str, *, setting: str, task: int = 7) -> tuple[Any, bool]:
    """Return the weight with the fewest flips that costs no error against ``none``, judged on the selection rows.

    The second value tells whether there was one; else the weight is that of the lowest error.
    """
    of = functools.partial(values, records, setting=setting, task=task, part="selection")
    weights = [weight for name, weight in points(records, setting=setting, task=task) if name == arm]
    weights = [weight for weight in weights if weight != "chosen"]
    bound = of("none", 0.0, "error").mean()
    allowed = [weight for weight in weights if of(arm, weight, "error").mean() <= bound]
    if allowed:
        return min(allowed, key=lambda weight: of(arm, weight, "nfr").mean()), True
    return min(weights, key=lambda weight: of(arm, weight, "error").mean()), False


def dominance(records: Sequence[Mapping[str, Any]], recipe: str, *, setting: str, task: int = 7) -> dict[str, Any]:
    """Hold a recipe's front against every point of the published one-network arms, on the reporting rows.

    Returns:
        ``points``; ``beaten``: how many of them some point of the recipe beats on both mean error and mean NFR;
        ``clearly``: with both paired intervals below zero; ``same_step_points`` and ``same_step_beaten``: the same
        without the arms of a larger task loss; ``left``: the points that the recipe does not beat; ``area`` and
        ``area_published``: mean hypervolume a seed, in points squared, below the old error and the plain NFR; the
        paired ``area_gain`` and its interval.
    """
    of = functools.partial(values, records, setting=setting, task=task)
    every = points(records, setting=setting, task=task)
    rivals, own = [p for p in every if p[0] in ONE_NETWORK], [p for p in every if p[0] == recipe]
    found: dict[str, Any] = {"points": len(rivals), "beaten": 0, "clearly": 0, "left": []}
    found |= {"same_step_points": 0, "same_step_beaten": 0}
    for rival in rivals:
        same = "task weight" not in rival[0]
        gaps = [[of(*point, key) - of(*rival, key) for key in ("error", "nfr")] for point in own]
        beaten = any(all(gap.mean() < 0 for gap in both) for both in gaps)
        found["beaten"] += beaten
        found["same_step_points"] += same
        found["same_step_beaten"] += same and beaten
        found["clearly"] += any(all(over_seeds(list(gap))[1][1] < 0 for gap in both) for both in gaps)
        if not beaten:
            found["left"].append(f"{rival[0]} {rival[1]}")
    reference = (100 * of("none", 0.0, "error_old").mean(), 100 * of("none", 0.0, "nfr").mean())
    areas = []
    for group in (own, rivals):
        costs = 100 * np.array([[of(*point, key) for key in ("error", "nfr")] for point in group])
        areas.append([hypervolume(costs[:, :, seed], reference) for seed in range(costs.shape[2])])
    found["area"], found["area_published"] = (over_seeds(area)[0] for area in areas)
    found["area_gain"], found["area_gain_interval"] = over_seeds(list(np.subtract(*areas)))
    return found


# Tables and picture


def _share(values: np.ndarray, plain: np.ndarray) -> str:
    """Say by what share values change, seed by seed, with the interval over seeds."""
    mean, interval = over_seeds(list(values / plain - 1))
    low, high = interval or (mean, mean)
    return f"{100 * mean:+.0f} % [{100 * low:+.0f}, {100 * high:+.0f}]"


def _percent(mean: float, interval: tuple[float, float] | None, *, sign: bool = False, digits: int = 2) -> str:
    style = f"{'+' if sign else ''}.{digits}f"
    low, high = interval or (mean, mean)
    return f"{100 * mean:{style}} [{100 * low:{style}}, {100 * high:{style}}]"


def table(records: Sequence[Mapping[str, Any]], *, setting: str, task: int, arms: Callable[[str], bool]) -> str:
    """Return the Markdown table of a setting: mean and Student-t interval over seeds, on the reporting rows."""
    of = functools.partial(values, records, setting=setting, task=task)
    lines = ["| arm | weight | ER % | NFR % | relative NFR % |", "|---|---|---|---|---|"]
    for arm, weight in points(records, setting=setting, task=task):
        if arms(arm):
            cells = [_percent(*over_seeds(list(of(arm, weight, key)), within=(0, 1))) for key in ("error", "nfr")]
            relative = over_seeds(list(of(arm, weight, "relative_nfr")), within=(0, math.inf))
            cells.append(_percent(*relative, digits=1))
            lines.append(f"| {arm} | {'' if arm == 'none' else weight} | {' | '.join(cells)} |")
    return "\n".join(lines)


def choices(records: Sequence[Mapping[str, Any]], *, setting: str, task: int, arms: Sequence[str]) -> str:
    """Return the Markdown table of arms at the weight that the selection rows choose."""
    of = functools.partial(values, records, setting=setting, task=task)
    lines = ["| arm | chosen weight | ER % | NFR % | ER minus none | NFR minus none |", "|---|---|---|---|---|---|"]
    known = {arm for arm, _ in points(records, setting=setting, task=task)}
    for arm in (arm for arm in arms if arm in known):
        weight, allowed = choice(records, arm, setting=setting, task=task)
        cells = [_percent(*over_seeds(list(of(arm, weight, key)), within=(0, 1))) for key in ("error", "nfr")]
        for key in ("error", "nfr"):
            gap = of(arm, weight, key) - of("none", 0.0, key)
            cells.append(_percent(*over_seeds(list(gap)), sign=True))
        lines.append(f"| {arm} | {weight}{'' if allowed else ' (no weight qualifies)'} | {' | '.join(cells)} |")
    return "\n".join(lines)


def print_tables(result: Mapping[str, Any]) -> None:
    """Print everything that the page shows."""
    records = result["records"]
    print("\n## Directions\n")
    for name, holds, text in directions(records):
        print(f"- ({name}) {'holds' if holds else 'FAILS'}: {text}")
    tried = {arm for arm, _ in points(records, setting="A")} - {*ONE_NETWORK, *_ENSEMBLES, "start from old weights"}
    for task, setting in dict.fromkeys((r["task"], r["setting"]) for r in records):
        old = values(records, "none", 0.0, "error_old", setting=setting, task=task)
        title = f"Setting {setting}, task {task} (old ER {_percent(*over_seeds(list(old)))})"
        for name, arms in (("published arms", lambda arm: arm not in tried), ("beyond", lambda arm: arm in tried)):
            if any(arms(arm) for arm, _ in points(records, setting=setting, task=task)):
                print(f"\n## {title}: {name}\n\n{table(records, setting=setting, task=task, arms=arms)}")
        chosen = choices(records, setting=setting, task=task, arms=("none", *ONE_NETWORK[1:], *sorted(tried)))
        print(f"\n## {title}: at the weight chosen on the selection rows\n\n{chosen}")
        if setting != "C":
            print(f"\n## {title}: fronts against all published one-network points\n")
            print("| recipe | beaten, same step | beaten, all | clearly | area gained |\n|---|---|---|---|---|")
            known = [arm for arm in dict.fromkeys(arm for arm, _ in points(records, setting=setting, task=task))]
            for arm in (arm for arm in known if arm in tried and "blended" not in arm):
                d = dominance(records, arm, setting=setting, task=task)
                low, high = d["area_gain_interval"]
                same = f"{d['same_step_beaten']} of {d['same_step_points']}"
                gain = f"{d['area_gain']:+.2f} [{low:+.2f}, {high:+.2f}] on {d['area_published']:.2f}"
                print(f"| {arm} | {same} | {d['beaten']} of {d['points']} | {d['clearly']} | {gain} |")


_ENSEMBLES = ("ensembles, both sides", "ensemble, new side", "ELODI, both sides", SCALAR.name)
_LOOKS = {
    "none": ("#444444", "X"),
    "none, task weight 4": ("#999999", "X"),
    "KD-KL, task weight 4": ("#a6d5d0", "s"),
    "FD-LM, task weight 4": ("#8fa8d0", "D"),
    "naive": ("#9c755f", "v"),
    "KD-KL": ("#76b7b2", "s"),
    "FD-KL": ("#4e79a7", "o"),
    "FD-LM": ("#2f4b7c", "D"),
    "LDI": ("#b07aa1", "^"),
    "CNA": ("#bab0ac", "<"),
    "ELODI, new side": ("#d4a6c8", ">"),
    "BCWI": ("#8cd17d", "P"),
    "FD-KL, batch-scalar weights": ("#e15759", "x"),
    "ensemble, new side": ("#c9a227", "*"),
    "two teachers": ("#f28e2b", "o"),
    "two teachers, on mixtures": ("#d1495b", "s"),
    "two teachers, from old weights": ("#59a14f", "D"),
    "two teachers, on mixtures, from old weights": ("#1b6e3c", "^"),
}


def draw(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw error against NFR with intervals over seeds, one line a method along its weights."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    panels = list(dict.fromkeys((r["task"], r["setting"]) for r in records))
    with mpl.rc_context({"svg.hashsalt": "small_table", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(11, 7.2), layout="constrained")
        cells = figure.subplots(2, 3).flat
        shown: dict[str, Any] = {}
        for (task, setting), axes in zip(panels, cells, strict=False):
            of = functools.partial(values, records, setting=setting, task=task)
            for arm, (colour, marker) in _LOOKS.items():
                weights = [w for name, w in points(records, setting=setting, task=task) if name == arm]
                weights = [w for w in weights if w != "chosen"]
                if not weights:
                    continue
                both = [[over_seeds(list(100 * of(arm, w, key))) for w in weights] for key in ("error", "nfr")]
                (x, dx), (y, dy) = (
                    (
                        np.array([mean for mean, _ in cells_]),
                        np.abs([[mean - i[0], i[1] - mean] for mean, i in cells_]).T,
                    )
                    for cells_ in both
                )
                ours = arm.startswith("two teachers")
                shown[arm] = axes.errorbar(
                    x, y, xerr=dx, yerr=dy, color=colour, marker=marker, markersize=6 if ours else 4.5,
                    linewidth=2 if ours else 1, elinewidth=0.6, alpha=1 if ours else 0.85, zorder=3 if ours else 2,
                    linestyle="--" if arm == "ensemble, new side" else "-",
                )  # fmt: skip
            new = "" if task == 7 else ", new task, larger steps"
            axes.set_title(f"Setting {setting}{new}")
            axes.set_ylim(bottom=0)
            axes.grid(alpha=0.25)
            axes.set_xlabel("error of the new model, %")
            axes.set_ylabel("negative flip rate, %")
        for axes in cells:  # the cells that are left hold the legend
            axes.axis("off")
            axes.legend(list(shown.values()), list(shown), loc="center left", frameon=False)
        figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Run everything, write the records and the picture, print the tables."""
    torch.set_num_threads(1)
    began, records, cost = time.process_time(), [], {}
    parts = {f"run {name}": functools.partial(run, name) for name in SETTINGS}
    parts |= {f"confirm {name}": functools.partial(confirm, name) for name in "AB"}
    for name, part in parts.items():
        start = time.process_time()
        records += part()
        cost[name] = round(time.process_time() - start, 1)
    print(f"{time.process_time() - began:.0f} s of CPU")
    write(records, cost, Path(__file__).with_suffix(".json"))


def write(records: Sequence[Mapping[str, Any]], cost: Mapping[str, float], path: Path) -> None:
    """Write the records with the settings and versions they came from, draw them and print the tables."""
    head = {
        "python": platform.python_version(),
        "versions": {module.__name__: module.__version__ for module in (torch, np, sklearn)},
        "fit": dataclasses.asdict(FIT),
        "settings": {name: dataclasses.asdict(setting) for name, setting in SETTINGS.items()},
        "arms": {arm.name: dataclasses.asdict(arm) for arm in (NONE, *PUBLISHED, *LARGER_STEPS, SCALAR, *BEYOND)},
        "rows": {"train": TRAIN, "selection": SELECTION, "report": 12000 - TRAIN - SELECTION},
        "seeds": list(SEEDS),
        "members": MEMBERS,
        "cpu_seconds": dict(cost),
    }
    lines = ",\n".join(json.dumps(record) for record in records)
    text = json.dumps(head, indent=1)[:-2] + f',\n "records": [\n{lines}\n ]\n}}\n'
    path.write_text(text, encoding="utf-8")
    print_tables(json.loads(text))
    draw(records, path.with_suffix(".svg"))


if __name__ == "__main__":
    main()
