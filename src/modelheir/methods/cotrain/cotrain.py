r"""Few labels and several views of each image: views that teach each other, against what is simpler.

A view is the vector that a frozen encoder makes of an image; it is computed once. Algorithms train a head a view on
the vectors and are compared on the selection images; the best one's heads are the run's, and predict together by

.. math:: P(c \mid x) \propto \prod_v p_v(c \mid x_v)

Blum and Mitchell, "Combining Labeled and Unlabeled Data with Co-Training", 1998; Rothenberger and Diochnos, "Meta
Co-Training: Two Views are Better than One", 2023, arXiv:2311.18083. Both assume that each view alone tells the class,
and that views are independent given the class; the run says how far they are.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from modelheir.checks import InputError
from modelheir.config.pilot import seconds_of
from modelheir.data import read_index_file, split_labels
from modelheir.data.label_subsets import require_every_class
from modelheir.methods.cotrain.algorithms import add_algorithm
from modelheir.methods.cotrain.budget import within
from modelheir.methods.cotrain.build import Build
from modelheir.methods.cotrain.choice import choice
from modelheir.methods.cotrain.config import Config
from modelheir.methods.cotrain.label_check import checked_labels, used_labels
from modelheir.methods.cotrain.names import tried
from modelheir.methods.cotrain.tuned import accept_tune, tuned_encoders, tuned_views, tuning_stages
from modelheir.methods.declared import SourceUse
from modelheir.methods.given.pool import images_of_pool
from modelheir.methods.given.views import Views, open_views
from modelheir.methods.method import Method

if TYPE_CHECKING:
    import numpy as np

    from modelheir.config.run import TrainConfig
    from modelheir.methods.cotrain.build import Done
    from modelheir.methods.given import Given
    from modelheir.models.encoders import Encoder
    from modelheir.plans import Plan, Stage

__all__ = ["METHOD", "Config", "accept", "plan", "settle"]

_HALVES = ("pixels:left", "pixels:right")  #: views of the digits where none is said


def accept(config: Config, run: TrainConfig) -> None:
    """Refuse a run without two views or without a pool, and settings of a network that is not trained."""
    if not config.views and run.data != "digits":
        raise InputError(
            "train cotrain needs --views, at least two encoders, such as --views pkg:efficientnet_lite0 "
            "pkg:efficientnet_lite2, or folders that modelheir embed wrote."
        )
    if len(config.views) == 1:
        raise InputError(
            f"--views {', '.join(config.views)}: one view has no other to learn from; name a second encoder."
        )
    if len(set(config.views)) < len(config.views):
        raise InputError(f"--views {' '.join(config.views)}: a view that is there twice teaches nothing new.")
    if not (config.labels or config.unlabelled or run.data == "digits"):
        raise InputError(
            "train cotrain needs images without labels: --unlabelled folder:DIR, or --labels 0.01 (or '5 per class') "
            "to use the labels of so many images of --data alone."
        )
    if run.trainable != "all":
        raise InputError(
            f"--trainable {run.trainable}: encoders stay as they are and heads train whole; leave it out, or --tune "
            "the encoders."
        )
    accept_tune(config.tune, config.views or _HALVES)
    if config.budget:
        seconds_of(config.budget, setting="method.budget")
    if run.model:
        raise InputError(f"--model {run.model}: cotrain trains heads on --views and no network; leave it out.")
    own = [name for name in tried(config.algorithms) if name in ("mct", "mpl")]
    if own and run.fit.accumulate > 1:
        raise InputError(
            f"fit.accumulate = {run.fit.accumulate}: {own[0]} does its own steps; set it to 1, and "
            f"method.{own[0]}.accumulate to the micro-batches of its passes."
        )


def settle(config: Config, run: TrainConfig) -> Config:
    """Return the settings with views, labels and algorithms said."""
    labels = config.labels or ("1" if config.unlabelled else "5 per class")
    return dataclasses.replace(
        config, views=config.views or _HALVES, labels=labels, algorithms=tried(config.algorithms)
    )


def plan(config: Config, given: Given) -> Plan:
    """Every algorithm's stages, seed by seed, and the choice among them.

    Raises:
        InputError: If a class has no label, or the pool has no image.
    """
    if config.unlabelled:
        images = images_of_pool(given.data, given.sources["unlabelled"], flag="--unlabelled")
        data = dataclasses.replace(given.data, splits={**given.data.splits, "unlabelled": images})
        given = dataclasses.replace(given, data=data)
    train = given.data.splits["train"]
    rows = _labelled(config, given)
    if len(rows) == len(train) and not config.unlabelled:
        raise InputError(f"--labels {config.labels} uses every label, and no image is left without one: use fewer.")

    @functools.cache
    def frozen() -> Views:
        return open_views(config.views, given.data, size=config.encoder_size)

    known, builds, stages = functools.partial(used_labels, train.ids[rows]), [], []
    if config.check_labels != "off":
        first = Build(config, given, lambda done: frozen(), known)
        checked_labels(first)
        stages += first.stages.values()
    for number in range(config.seeds):
        member, suffix = given.member(number), f"_seed{number}" if config.seeds > 1 else ""
        views = functools.partial(tuned_views, config, member, suffix=suffix) if config.tune else lambda done: frozen()
        builds.append(Build(config, member, views, known, suffix=suffix))
        stages += tuning_stages(config, member, known, suffix=suffix) if config.tune else []
    names, nodes = tried(config.algorithms), {}
    ended = functools.partial(choice, builds, nodes, tuned=functools.partial(_tuned, config, builds[0]))

    def add(name: str) -> list[Stage]:
        """Return the stages of an algorithm of all seeds, and all that were added before."""
        nodes[name] = [add_algorithm(build, name) for build in builds]
        return [stage for build in builds for stage in build.stages.values()]

    if config.budget:
        seconds = seconds_of(config.budget, setting="method.budget")
        return within(seconds, stages, names, add, lambda left: ended(left=left, budget=config.budget))
    every = [add(name) for name in names][-1]
    return [*stages, *every, ended()]


def _tuned(config: Config, build: Build, done: Done) -> dict[str, Encoder]:
    """Return the encoders that a seed's tuning left, by the number of the view."""
    if not config.tune:
        return {}
    found = tuned_encoders(config, build.given, done, suffix=build.suffix)
    return {str(number): found[one] for number, one in enumerate(config.views, 1) if one in found}


def _labelled(config: Config, given: Given) -> np.ndarray:
    """Return the training rows whose labels are used: drawn by the run's seed, or those that a file names."""
    train, kind, path = given.data.splits["train"], *config.labels.partition(":")[::2]
    if kind == "index":
        rows = read_index_file(path, train.ids)
        rows = rows[train.labels[rows] >= 0]
        require_every_class(train.labels, rows, train.classes)
        return rows
    told = {"rule": config.label_rule, "seed": given.data.seed, "ids": train.ids, "classes": train.classes}
    return split_labels(train.labels, config.labels, **told)


METHOD = Method(
    name="cotrain",
    summary="few labels, several encoders: heads on their vectors teach each other (co-training, Meta Co-Training)",
    situation="1 to 10 % of the images have labels, and there are two or more encoders that see different things",
    not_for="one encoder (finetune it), or labels enough to train a network (finetune), or a good teacher (distill)",
    config=Config,
    plan=plan,
    accept=accept,
    settle=settle,
    defaults={"fit.epochs": 20, "fit.lr": 0.003, "inputs.augment": "none"},
    flags={
        "views": "method.views",
        "labels": "method.labels",
        "unlabelled": "method.unlabelled",
        "algorithm": "method.algorithms",
        "tune": "method.tune",
    },
    sources=lambda config: {"unlabelled": SourceUse(config.unlabelled, labelled=False, flag="--unlabelled")},
    paper="Blum and Mitchell, Co-Training, 1998; Rothenberger and Diochnos, Meta Co-Training, 2023, arXiv:2311.18083",
)
