"""No setting is inert: a changed value changes what a tiny training leaves, or is refused by name, or is listed here.

Tried is every setting of every method and of ``fit``, ``inputs`` and ``network``, one at a time, under the choices
with which it is read. Compared are the published weights, the log without its times, the metrics, and the names of the
files that are left, with the content of those whose kind a setting decides.
"""

import contextlib
import dataclasses
import functools
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from modelheir.checks import InputError, InRange, OneOf
from modelheir.config.describe import settings
from modelheir.config.fit import FitConfig
from modelheir.config.inputs import InputConfig
from modelheir.config.network import NetworkConfig
from modelheir.config.unread import refuse_unread
from modelheir.methods import METHODS
from modelheir.objective.distances import DISTANCES, LOSSES
from modelheir.runs.tensors import load_weights

ROOT = Path(__file__).resolve().parents[2]

#: groups of settings of distances that compare features, and methods that read no likelihoods
FEATURES = [
    f"{name}.{one.name}"
    for name, row in DISTANCES.items()
    if row.reads == "features" and row.settings
    for one in dataclasses.fields(row.settings)
]
UNWEIGHTED = [name for name in METHODS if name not in ("upgrade", "cotrain")]

TIMES = ("images_per_second", "data_seconds")

#: how many settings each group has: one that is added is looked at here
COUNTS = {"finetune": 8, "upgrade": 43, "elodi": 76, "bct": 10, "interpolate": 10, "self_distill": 35}
COUNTS |= {"distill": 80, "mutual": 17, "fixmatch": 10, "pseudo_label": 10, "adapt": 34, "cotrain": 84}
COUNTS |= {"subspace": 50, "fit": 52, "inputs": 30, "network": 12}

SHARED = {"fit": FitConfig, "inputs": InputConfig, "network": NetworkConfig}
SETTINGS = {name: list(settings(method.config, "method")) for name, method in METHODS.items()}
SETTINGS |= {name: list(settings(config, name)) for name, config in SHARED.items()}
EVERY = [(name, one) for name, group in SETTINGS.items() for one in group]

#: what a method must be given for a run of few steps
SMALL = {
    "elodi": {"method.ensemble": ("OLD",)},
    "interpolate": {"method.alphas": (0.5,)},
    "self_distill": {"method.length": 1, "fit.epochs": 3},
    "distill": {"method.teacher": ("OLD",)},
    "fixmatch": {"method.unlabelled": "POOL", "method.ratio": 1, "method.threshold": 0.38},
    "pseudo_label": {"method.unlabelled": "POOL", "method.threshold": 0.38},
    "adapt": {"method.history": ("POOL",), "method.strategies": ("erm_all",), "method.seeds": 1},
    "cotrain": {
        "method.views": ("pixels:left", "pixels:right"),
        "method.labels": "5 per class",
        "method.algorithms": ("supervised",),
        "method.seeds": 1,
    },
    "subspace": {
        "method.ways": ("psgd",),
        "method.snapshots": ":",
        "fit.snapshots.every_epochs": 1,
        "fit.epochs": 3,
    },
}

#: settings of losses that read maps inside the networks
MAPS = [
    f"distill method.{name}.{one.name}"
    for name, row in LOSSES.items()
    if row.reads in ("maps", "layers") and row.settings
    for one in dataclasses.fields(row.settings)
]

PAST = {"method.history": ("POOL", "synthetic:n=40,classes=3,size=8,seed=8")}

NET = {"model": "blocks_convnet", "network.kwargs": {"blocks": 1}}
COPIES = {**NET, "method.joint.adjacent_weights": (0.1,)}
EFFICIENT = {**COPIES, "method.strategies": ("joint_low_rank_adapt",), "method.joint.adapter_rank": 1}

FCNN = {"method.head.kind": "fcnn", "method.head.hidden": (8, 8)}
ROUNDS = {"method.algorithms": ("cotrain",), "method.rounds.number": 2, "fit.epochs": 1}
TUNED = {"method.views": ("pixels:left", "CONV"), "method.tune": "all", "method.tuning.epochs": 2}
NOISY = {"method.algorithms": ("consistency",), "method.consistency.labels.confidence": 0.34, "fit.epochs": 1}
NOISY |= {"method.consistency.labels.threshold": "fixed"}
SOFT = {key: value for key, value in NOISY.items() if not key.endswith("confidence")}
SOFT |= {"method.consistency.labels.threshold": "softmatch", "method.consistency.labels.momentum": 0.5}
#: of a step in which views or models teach: everybody is taught
META = {
    name: {"method.algorithms": (name,), f"method.{name}.targets.confidence": 0.34, "fit.epochs": 1}
    for name in ("mct", "mpl")
}
CONSISTENT = META["mpl"] | {"method.mpl.consistency_weight": 1.0, "method.mpl.consistency_threshold": 0.3}
PER_META = {
    "targets.kind": (..., {}),
    "targets.temperature": (..., {}),
    "targets.confidence": (0.0, {}),
    "targets.align": (..., {}),
    "targets.align_decay": (..., {}),
    "targets.average_decay": (..., {}),
    "feedback.form": (..., {}),
    "feedback.weight": (..., {}),
    "feedback.centred": (..., {}),
    "feedback.scaled": (..., {}),
    "feedback.baseline_decay": (..., {"feedback.form": "dot"}),
    "feedback.shuffled": (..., {}),
    "teacher_mode": (..., {"head.dropout": 0.5}),
    "accumulate": (..., {"head.batch_norm": True}),
    "collapse_below": (1.0, {"fit.epochs": 3}),
}
ATTACKED = {"method.adversarial.loss": "adversarial"}
PBFGS = {"method.ways": ("pbfgs",)}
LONG = {"method.pbfgs.first_step": 0.0, "method.pbfgs.interpolate": False, "method.epochs": 3}
PER_PBFGS = {
    "sigma": (0.01, LONG),
    "rho": (0.2, LONG | {"method.pbfgs.sigma": 0.5}),
    "max_trials": (1, LONG | {"method.pbfgs.sigma": 0.5}),
    "interpolate": (..., LONG | {"method.pbfgs.sigma": 0.5}),
    "pairs": (..., {}),
    "damping": (0.9, {"method.pbfgs.pairs": "successive", "method.epochs": 3}),
    "first_step": (1e-3, {}),
    "scale": (..., {}),
    "condition": (1.5, {}),
    "alpha": (0.01, {}),
    "gamma": (..., {"method.pbfgs.alpha": 0.01}),
    "accumulate": (2, {"model": "convnet"}),
    "compat": ("dldr", {}),
}
CO_TRAINING = {
    f"cotrain method.{name}.{key}": (
        value,
        META[name]
        | {
            one
            if one.startswith("fit")
            else f"method.{one}"
            if one.startswith("head")
            else f"method.{name}.{one}": some
            for one, some in more.items()
        },
    )
    for name in META
    for key, (value, more) in PER_META.items()
}
CO_TRAINING |= {
    "subspace method.snapshots": ("1:", {}),
    "subspace method.ways": (("swa",), {}),
    "subspace method.seeds": (2, {}),
    "subspace method.components": (1.0, {}),
    "subspace method.begin": ("mean", {}),
    "subspace method.recalibrate": (..., {"method.ways": ("swa",), "model": "convnet"}),
    "subspace method.ema_decay": (..., {"method.ways": ("ema",)}),
    "subspace method.latest": (2, {"method.ways": ("lawa",)}),
    "subspace method.psgd.weight_decay": (1.0, {}),
    "subspace method.bits": (4, {}),
    "subspace method.twa.coefficients": (..., {"method.ways": ("twa",)}),
    "subspace method.twa.groups": (2, {"method.ways": ("twa",)}),
    "subspace method.twa.held_out": (0.3, {"method.ways": ("twa",)}),
    "subspace method.twa.optimizer": (..., {"method.ways": ("twa",)}),
    "subspace method.twa.lr": (..., {"method.ways": ("twa",)}),
    "subspace method.twa.momentum": (..., {"method.ways": ("twa",)}),
    "subspace method.twa.weight_decay": (1.0, {"method.ways": ("twa",)}),
    "subspace method.lbfgs.iterations": (2, {"method.ways": ("lbfgs",)}),
    "subspace method.lbfgs.history": (1, {"method.ways": ("lbfgs",)}),
    "subspace method.lbfgs.search": (..., {"method.ways": ("lbfgs",)}),
    "subspace method.lbfgs.accumulate": (2, {"method.ways": ("lbfgs",), "model": "convnet"}),
    "subspace method.adversarial.loss": ("trades", {}),
    "subspace method.adversarial.attack": (..., ATTACKED),
    "subspace method.adversarial.epsilon": (0.1, ATTACKED),
    "subspace method.adversarial.steps": (2, ATTACKED | {"method.adversarial.attack": "pgd"}),
    "subspace method.adversarial.step_size": (0.01, ATTACKED),
    "subspace method.adversarial.weight": (1.0, {"method.adversarial.loss": "trades"}),
    "subspace method.adversarial.grad_align": (0.5, ATTACKED),
    **{f"subspace method.pbfgs.{key}": (value, PBFGS | more) for key, (value, more) in PER_PBFGS.items()},
    "cotrain method.views": (("pixels:left", "pixels:top"), {}),
    "cotrain method.encoder_size": (16, {"method.views": ("pixels:left", "CONV")}),
    "cotrain method.tune": ("low_rank:2", TUNED),
    "cotrain method.tuning.epochs": (4, TUNED),
    "cotrain method.tuning.lr": (0.01, TUNED),
    "cotrain method.tuning.batch_size": (5, TUNED),
    "cotrain method.labels": ("6 per class", {}),
    "cotrain method.label_rule": ("published_stratified", {"method.labels": "0.25"}),
    "cotrain method.unlabelled": ("POOL", {}),
    "cotrain method.algorithms": (("concatenated",), {}),
    "cotrain method.budget": ("0.001s", {"method.algorithms": ("supervised", "concatenated")}),
    "cotrain method.seeds": (2, {}),
    "cotrain method.joint": (..., {"method.labels": "0.3"}),
    "cotrain method.head.hidden": ((8,), {}),
    "cotrain method.head.documented": (..., FCNN),
    "cotrain method.head.members": (2, {}),
    "cotrain method.pseudo_threshold": (0.34, {"method.algorithms": ("pseudo_label",), "method.pseudo_threshold": 0.4}),
    "cotrain method.consistency.weight": (..., NOISY),
    "cotrain method.consistency.labels.threshold": ("freematch", SOFT),
    "cotrain method.consistency.labels.confidence": (0.9, NOISY),
    "cotrain method.consistency.labels.warm_up": (..., NOISY | {"method.consistency.labels.threshold": "flexmatch"}),
    "cotrain method.consistency.labels.momentum": (..., SOFT),
    "cotrain method.consistency.labels.spread": (..., SOFT),
    "cotrain method.consistency.labels.align": ("labelled", NOISY | {"method.labels": "0.3"}),
    "cotrain method.consistency.labels.sharpen": (..., NOISY),
    "cotrain method.consistency.weak.gaussian": (0.5, NOISY),
    "cotrain method.consistency.weak.dropout": (0.5, NOISY),
    "cotrain method.consistency.weak.mask": (0.5, NOISY),
    "cotrain method.consistency.strong.gaussian": (..., NOISY),
    "cotrain method.consistency.strong.dropout": (0.5, NOISY),
    "cotrain method.consistency.strong.mask": (..., NOISY),
    "cotrain method.rounds.number": (..., ROUNDS),
    "cotrain method.rounds.from_scratch": (..., ROUNDS),
    "cotrain method.calibrate": (..., {}),
    "cotrain method.rounds.class_weights": (..., ROUNDS | {"method.labels": "0.3"}),
    "cotrain method.exchange.rule": (..., ROUNDS),
    "cotrain method.exchange.share": (..., ROUNDS),
    "cotrain method.exchange.threshold": (
        0.4,
        ROUNDS | {"method.exchange.rule": "threshold", "method.exchange.threshold": 0.34, "method.exchange.share": 1.0},
    ),
    "cotrain method.exchange.uncertainty": (
        1.0,
        ROUNDS | {"method.exchange.rule": "certain", "method.exchange.share": 1.0},
    ),
    "cotrain method.exchange.rederive": (..., ROUNDS),
    "cotrain method.meta_rate": (..., META["mct"]),
    "cotrain method.mct.feedback.previous_params": (..., META["mct"]),
    "cotrain method.mct.unlabelled_weight": (..., META["mct"]),
    "cotrain method.mct.supervised": (..., META["mct"]),
    "cotrain method.mpl.consistency_weight": (1.0, META["mpl"]),
    "cotrain method.mpl.consistency_temperature": (..., CONSISTENT),
    "cotrain method.mpl.consistency_threshold": (0.9, CONSISTENT),
    "cotrain method.mpl.noise": (..., CONSISTENT),
}

#: end of a setting's key -> another value (``...``: the next one), and what makes it read; "~" is the group it is in
CASES = {
    "distance.mix_share": (..., {"~distance.mix_with": "imitation"}),
    "distance.loss": ("imitation", {}),
    "distance.mix_with": ("imitation", {}),
    "logit_difference.margin": (0.01, {}),
    "logit_difference.power": (..., {"~logit_difference.margin": 0.01}),
    "logit_difference.top_k": (1, {"~logit_difference.margin": 0.01}),
    "logit_difference.rank_by": (..., {"~logit_difference.margin": 0.01, "~logit_difference.top_k": 1}),
    "logit_difference.exclude_label": (..., {"~logit_difference.margin": 0.01}),
    "logit_difference.one_sided": (..., {"~logit_difference.margin": 0.01}),
    "logit_difference.label_weight": (..., {"~logit_difference.margin": 0.01}),
    "logit_difference.relative": (..., {"~logit_difference.margin": 0.01, "fit.lr": 0.001}),
    "logit_difference.p_norm": (..., {"~logit_difference.margin": 0.01}),
    "neighbourhood_alignment.order": (..., {"~neighbourhood_alignment.top_k": 2}),
    "pull.mix_alpha": (0.5, {}),
    "pull.base": (..., {"~pull.filter": "old_correct"}),
    "pull.focus": (..., {"~pull.filter": "old_correct"}),
    "pull.normalize": (..., {"~pull.filter": "old_correct"}),
    "supervised.auxiliary_weight": (..., {"model": "convnet", "old": ("CONV",), "network.mimo_members": 2}),
    "supervised.likelihood_base": (..., {"method.supervised.likelihood_scale": 1.0}),
    "upgrade method.supervised.likelihood_scale": (..., {"method.likelihoods": "EVEN"}),
    "upgrade method.supervised.likelihood_base": (
        ...,
        {"method.likelihoods": "EVEN", "method.supervised.likelihood_scale": 1.0},
    ),
    "finetune method.start": ("OLD", {}),
    "finetune method.reinit_linear": (..., {"model": "convnet"}),
    "upgrade method.likelihoods": ("ODD", {"method.likelihoods": "EVEN", "method.pull.filter": "likelihood"}),
    "upgrade method.new_class_bias": (..., {"method.scheme": "double_source", "old": ("TWO",)}),
    "elodi method.members": (3, {"method.ensemble": (), "method.members": 2}),
    "elodi method.ensemble": (("OLD", "CONV"), {}),
    "bct method.blend": (0.5, {}),
    "bct method.new_classes": (..., {"old": ("TWO",)}),
    "interpolate method.alphas": ((1.0,), {"method.tolerance": 1.0}),
    "interpolate method.supervised.auxiliary_weight": (..., {"model": "convnet", "old": ("MIMO",)}),
    "interpolate method.tolerance": (1.0, {"method.alphas": (1.0,), "fit.lr": 0.3, "inputs.val_fraction": 0.4}),
    "interpolate method.recalibrate": (..., {"model": "convnet", "old": ("CONV",), "method.tolerance": 1.0}),
    "self_distill method.length": (..., {"fit.epochs": 4}),
    "distill method.teacher": (("CONV",), {}),
    "distill method.unlabelled": ("POOL", {}),
    "distill method.start": ("OLD", {}),
    "distill method.assistants": (("convnet",), {}),
    "distill method.losses": (("logit_matching",), {}),
    "distill method.loss_weights": ((2.0,), {}),
    "distill method.noise.std": (0.5, {}),
    "distill method.noise.share": (1.0, {"method.noise.std": 0.5}),
    "distill method.taps": (
        ("body.blocks.0",),
        {"method.losses": ("attention_transfer", "imitation"), "method.teacher": ("CONV",), "model": "convnet"},
    ),
    "distill method.supervised.likelihood_scale": (..., {"method.label_weight": 1.0}),
    "distill method.supervised.likelihood_base": (
        ...,
        {"method.label_weight": 1.0, "method.supervised.likelihood_scale": 1.0},
    ),
    "distill method.policy.weights": ((1.0, 3.0), {"method.teacher": ("OLD", "CONV")}),
    "distill method.policy.average": (..., {"method.teacher": ("OLD", "CONV")}),
    "distill method.policy.batch_norm": (..., {"method.teacher": ("CONV",)}),
    "distill method.policy.precision": ("bf16", {}),
    "distill method.supervised.auxiliary_weight": (
        ...,
        {"method.label_weight": 1.0, "model": "convnet", "network.mimo_members": 2},
    ),
    "distill method.supervised.binary": (..., {"method.label_weight": 1.0}),
    "distill method.supervised.label_smoothing": (..., {"method.label_weight": 1.0}),
    "distill method.target.epochs": (1, {"method.target.epochs": 0}),
    "distill method.target.rate": (..., {"method.target.epochs": 1}),
    "distill method.fix.scale": (2.0, {"method.fix.epochs": 1, "model": "convnet"}),
    "distill method.fix.rate": (..., {"method.fix.epochs": 1, "model": "convnet"}),
    "distill method.fix.epochs": (1, {"model": "convnet"}),
    "distill method.fix.trainable": ("all", {"method.fix.epochs": 1, "model": "convnet"}),
    **dict.fromkeys(MAPS, (..., {"model": "convnet", "method.teacher": ("CONV",)})),
    "mutual method.peers": (("convnet",), {}),
    "mutual method.unlabelled": ("POOL", {}),
    "mutual method.losses": (("jeffreys",), {}),
    "mutual method.loss_weights": ((2.0,), {}),
    "mutual method.taps": (("body.blocks.0",), {"method.losses": ("feature_distance",), "model": "convnet"}),
    "mutual method.kl_distillation.scale_by_square": (..., {"method.kl_distillation.temperature": 2.0}),
    "mutual method.feature_distance.distance": (..., {"model": "convnet"}),
    "mutual method.supervised.auxiliary_weight": (..., {"model": "convnet", "network.mimo_members": 2}),
    "fixmatch method.unlabelled": ("synthetic:n=40,classes=3,size=8,seed=8", {}),
    "fixmatch method.supervised.auxiliary_weight": (..., {"model": "convnet", "network.mimo_members": 2}),
    "pseudo_label method.unlabelled": ("synthetic:n=40,classes=3,size=8,seed=8", {}),
    "pseudo_label method.supervised.auxiliary_weight": (..., {"model": "convnet", "network.mimo_members": 2}),
    "adapt method.history": (("synthetic:n=40,classes=3,size=8,seed=8",), {}),
    "adapt method.strategies": (("erm_final",), {}),
    "adapt method.seeds": (2, {}),
    "adapt method.rates": ((0.1,), {"method.strategies": ("erm_fine_tune",)}),
    "adapt method.pulls": ((1.0,), {"method.strategies": ("l2_fine_tune",), "method.rates": (1.0,)}),
    "adapt method.replay": (0.2, {"method.strategies": ("sequential_replay",), "method.rates": (1.0,)}),
    "adapt method.layers": ("fc", {"method.strategies": ("erm_fine_tune",), "method.rates": (1.0,)}),
    "adapt method.further": (2, {"fit.epochs": 1, "fit.lr": 1e-5}),
    "adapt method.start_anew": (
        ...,
        {"method.strategies": ("l2_fine_tune",), "method.rates": (1.0,), "method.pulls": (0.1,)},
    ),
    "adapt method.domains.irm_weight": (..., {"method.strategies": ("irm_all",), **PAST}),
    "adapt method.domains.irm_rise": (..., {"method.strategies": ("irm_all",), **PAST}),
    "adapt method.domains.dro": (..., {"method.strategies": ("dro_all",), **PAST}),
    "adapt method.domains.dro_rate": (..., {"method.strategies": ("dro_all",), **PAST}),
    "adapt method.domains.coral_weight": (..., {"method.strategies": ("coral_all",), **PAST}),
    "adapt method.joint.layers": ("fc", {**COPIES, "method.strategies": ("joint_model",)}),
    "adapt method.joint.adjacent": ("l1", {**COPIES, "method.strategies": ("joint_model",)}),
    "adapt method.joint.adjacent_weights": ((1.0,), {**COPIES, "method.strategies": ("joint_model",)}),
    "adapt method.joint.newest_weight": (..., {**COPIES, "method.strategies": ("joint_model",)}),
    "adapt method.joint.loss_by_time": (..., {**COPIES, "method.strategies": ("joint_model",)}),
    "adapt method.joint.penalty_by_time": (..., {**COPIES, "method.strategies": ("joint_model",)}),
    "adapt method.joint.samples": ("nearest", {**COPIES, "method.strategies": ("joint_model",)}),
    "adapt method.joint.efficient_decays": ((0.5,), EFFICIENT),
    "adapt method.joint.ablate": (..., EFFICIENT),
    "adapt method.joint.side_layer_sizes": (
        "4",
        {
            **NET,
            "model": "blocks_resnet",
            "method.strategies": ("erm_side_tune",),
            "method.joint.side_layer_sizes": "",
        },
    ),
    "adapt method.joint.adapter_rank": (1, {**NET, "method.strategies": ("erm_low_rank_adapt",)}),
    "adapt method.joint.adapter_mode": (..., {**NET, "method.strategies": ("erm_low_rank_adapt",)}),
    "adapt method.joint.all_layers_efficient": (
        ...,
        {**NET, "method.strategies": ("erm_low_rank_adapt",), "method.joint.adapter_rank": 1},
    ),
    "adapt method.supervised.auxiliary_weight": (..., {"model": "convnet", "network.mimo_members": 2}),
    **CO_TRAINING,
    "fit.accumulate": (..., {"method": "upgrade"}),  # batch-wide weights are over a micro-batch
    "fit.cuda_graphs": (..., {"fit.compile": True}),
    "fit.lr_reference_batch": (8, {}),
    "fit.weight_decay": (0.1, {}),
    "fit.warmup_lr": (0.01, {"fit.warmup_epochs": 1.0}),
    "fit.min_lr": (0.01, {}),
    "fit.step_epochs": (1.0, {"fit.schedule": "step"}),
    "fit.step_factor": (..., {"fit.schedule": "step", "fit.step_epochs": 1.0}),
    "fit.no_decay": (("head",), {}),
    "fit.milestones": ((1.0,), {"fit.schedule": "multistep"}),
    "fit.power": (..., {"fit.schedule": "polynomial"}),
    "fit.head_multiplier": (3.0, {}),
    "fit.lr_multipliers": ((1.0, 0.5, 1.0), {}),
    "fit.clip_norm": (0.01, {}),
    "fit.clip_norm_of": (..., {"fit.clip_norm": 0.01}),
    "fit.keep": (..., {"fit.lr": 1.0, "fit.epochs": 4}),
    "fit.keep_start": (..., {"fit.keep": "best", "fit.lr": 1e-5}),
    "fit.stop_when_worse": (..., {"fit.lr": 1.0, "fit.epochs": 4}),
    "fit.stop_after_stalls": (..., {"fit.lr": 1e-5, "fit.epochs": 3}),
    "fit.patience": (..., {"fit.lr": 1e-5, "fit.epochs": 3}),
    "fit.save_every_seconds": (1e-9, {"fit.save_every_seconds": 0.0, "stop_after": 6}),
    "fit.save_every_epochs": (..., {"stop_after": 6}),
    "fit.save_every_steps": (3, {"stop_after": 4}),
    "fit.snapshots.start_epoch": (..., {"fit.snapshots.every_epochs": 1}),
    "fit.snapshots.keep": (..., {"fit.snapshots.every_epochs": 1}),
    "fit.snapshots.parameters": (..., {"fit.snapshots.every_epochs": 1, **NET}),
    "fit.snapshots.dtype": (..., {"fit.snapshots.every_epochs": 1}),
    "fit.snapshots.weights": (..., {"fit.snapshots.every_epochs": 1, "fit.ema_decay": 0.5}),
    "inputs.train_fraction": (0.5, {}),
    "inputs.train_per_class": (9, {}),
    "inputs.label_noise": (0.5, {}),
    "inputs.train_classes": (("class0", "class2"), {}),
    "inputs.val_fraction": (0.2, {}),
    "inputs.image_size": (6, {}),
    "inputs.resize": (10, {}),
    "inputs.crop_pad": (3, {}),
    "inputs.policy_operations": (..., {"inputs.augment": "randaugment"}),
    "inputs.policy_magnitude": (..., {"inputs.augment": "randaugment"}),
    "inputs.mix_probability": (0.5, {"inputs.mixup": 1.0}),
    "inputs.mix_switch": (1.0, {"inputs.mixup": 1.0, "inputs.cutmix": 1.0}),
    "inputs.views": (..., {"inputs.resize": 10}),
    "inputs.augment_seed": (7, {}),
    "network.cosine_temperature": (..., {"network.head": "cosine"}),
    "network.embedding": (5, {}),
    "network.mimo_members": (..., {"model": "convnet"}),
    "network.mimo_repeat": (..., {"model": "convnet", "network.mimo_members": 2}),
    "network.resolution": (16, {"model": "convnet"}),
    "network.mean": ((0.1, 0.2, 0.3), {}),
    "network.std": ((0.1, 0.2, 0.3), {}),
    "network.kwargs": ({"hidden": [64, 32]}, {}),
}

#: what a method, or a CPU, has nothing for, and what its refusal names
REFUSED = {
    "fit.cuda_graphs": "fit.cuda_graphs = True: cpu has no CUDA graphs",
    "elodi method.old_pull.mix_alpha": "method.old_pull.mix_alpha",
    "cotrain method.mct.collapse_below": "collapsed by epoch 2",
    "cotrain method.mpl.collapse_below": "collapsed by epoch 2",
    **{f"self_distill method.distance.{name}": "method.distance.loss" for name in FEATURES},
    **{f"{name} method.supervised.likelihood_scale": "method.supervised.likelihood_scale" for name in UNWEIGHTED},
    **{f"{name} method.supervised.likelihood_base": "method.supervised.likelihood_scale" for name in UNWEIGHTED},
}

#: what leaves the numbers of such a run as they are: why, and the test of what it does do
LISTED = {
    "finetune method.replace_head": ("for a start with other classes, else refused", "methods/test_finetune.py"),
    "subspace method.start": ("a run's own snapshots", "methods/subspace/test_subspace.py"),
    "adapt method.time": ("for data with such a column", "methods/given/test_steps.py"),
    "adapt method.steps": ("for data with such a column", "methods/given/test_steps.py"),
    "fit.threads": ("changes the time of a step alone", "engine/speed/test_threads.py"),
    "fit.tf32": ("of CUDA alone", "inference/test_device.py"),
    "fit.cudnn_benchmark": ("of CUDA alone", "inference/test_device.py"),
    "fit.reduce": ("how several processes average", "engine/test_reducing.py"),
    "fit.sync_batch_norm": ("of several processes", "engine/test_reducing.py"),
    "inputs.root": ("where downloaded sets lie", "data/sources/test_cifar.py"),
    "inputs.download": ("whether they may be fetched", "data/sources/test_cifar.py"),
    "inputs.max_bad_share": ("for files that cannot be decoded", "data/test_verify.py"),
    "inputs.max_megapixels": ("for files of very large images", "data/test_decode.py"),
    "inputs.verify": ("when files are looked at", "data/test_verify.py"),
    "inputs.keep_together": ("for sets with groups", "data/test_splits.py"),
    "inputs.loader": ("either way gives the same pictures", "data/streams/test_images.py"),
    "inputs.resident_gib": ("what loader = auto takes", "data/streams/test_images.py"),
    "inputs.workers": ("how many processes decode", "data/streams/test_workers.py"),
    "network.auxiliary": ("for networks with further heads, all of them large", "models/bodies/test_branches.py"),
    "network.pretrained": ("needs weights that a library fetches", "models/bodies/test_library.py"),
}


def matching(table, name, key):
    """Return the key of the row of a table that is about a setting, or none."""
    found = [one for one in table if f"{name} {key}" == one or key.endswith(one)]
    return max(found, key=len, default=None)


def another(one, now):
    """Return another value that the setting may have."""
    if isinstance(one.limit, OneOf):
        return one.limit.words[(one.limit.words.index(now) + 1) % len(one.limit.words)]
    if isinstance(now, bool) or now is None:
        return not now
    if isinstance(one.limit, InRange):
        return now / 2 if now > 0 else (one.limit.low + one.limit.high) / 2
    return type(now)(now * 2 or 1)


def replaced(config, path, value):
    """Return a config with the setting of a dotted path replaced."""
    name, _, rest = path.partition(".")
    return dataclasses.replace(config, **{name: replaced(getattr(config, name), rest, value) if rest else value})


def value_of(config, path):
    """Return the setting of a dotted path."""
    return functools.reduce(getattr, path.split("."), config)


class Trainings:
    """Trains in the world of the tests, each combination of settings once."""

    def __init__(self, world, rows):
        self.world, self.rows, self.done = world, rows, {}
        self.named = {"OLD": world.old, "CONV": world.save_model("conv", model="convnet", seed=6)}
        self.named["TWO"] = world.save_model("two", classes=("class0", "class1"))
        self.named["POOL"] = "synthetic:n=40,classes=3,size=8,seed=9"
        self.named["MIMO"] = world.save_model("mimo", model="convnet", mimo_members=2)
        ids = world.given().data.splits["train"].ids
        for name, odd in (("EVEN", 0), ("ODD", 1)):
            path = world.tmp_path / f"{name}.parquet"
            pq.write_table(pa.table({"sample_id": ids, "likelihood": (np.arange(len(ids)) + odd) % 3 / 2}), path)
            self.named[name] = str(path)

    def named_value(self, given):
        """Return a setting with the files and models of this world in place of their names."""
        if isinstance(given, tuple):
            return tuple(self.named_value(one) for one in given)
        return self.named.get(given, given) if isinstance(given, str) else given

    def configs(self, method, given):
        """Return the settings of a run by group."""
        found = {"method": METHODS[method].config(), "fit": self.world.fit, "inputs": InputConfig()}
        found["network"] = NetworkConfig()
        for key, value in given.items():
            group, _, rest = key.partition(".")
            if rest:
                found[group] = replaced(found[group], rest, self.named_value(value))
        return found

    def outcome(self, method, given):
        """Return what a training with these settings leaves."""
        key = repr((method, sorted(given.items(), key=str)))
        if key not in self.done:
            self.done[key] = self.train(method, given, self.world.tmp_path / f"run_{len(self.done)}")
        return self.done[key]

    def train(self, method, given, folder):
        """Train, perhaps until an interruption."""
        made, log, done = self.configs(method, given), self.rows(), {}
        old = self.named_value(given.get("old", ("OLD",)))
        network = {"model": given.get("model", "mlp"), **vars(made["network"])}
        handed = self.world.given(inputs=made["inputs"], fit=made["fit"], old=old, **network)
        refuse_unread(made["method"], METHODS[method].config(), "method")
        own, stop = vars(made["method"]), given.get("stop_after")
        with contextlib.suppress(KeyboardInterrupt):
            done = self.world.run(method, folder.name, given=handed, log=log, stop_after=stop, **own)
        last = list(done.values())[-1] if done else None
        return {
            "weights": last.weights("model") if last else {},
            "metrics": last.metrics if last else {},
            "told": {key: value for key, value in last.describe.items() if key != "model"} if last else {},
            "rows": [{key: value for key, value in row.items() if key not in TIMES} for row in log],
            "files": {str(path.relative_to(folder)): content(path) for path in folder.rglob("*.*")},
        }


def content(path):
    """Return what a setting may decide of a file beside its being there."""
    if path.parent.name == "snapshots":
        return load_weights(path)
    return pq.read_schema(path).names if path.suffix == ".parquet" else None


def same(a, b):
    """Tell whether two outcomes are equal, bit by bit."""
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(value, b[key]) for key, value in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.fixture(scope="module")
def trainings(shared_world, rows):
    return Trainings(shared_world, rows)


def test_every_setting_is_counted():
    assert {name: len(group) for name, group in SETTINGS.items()} == COUNTS


def test_the_tables_hold_no_setting_that_is_gone():
    used = {matching(table, name, one.key) for name, one in EVERY for table in (CASES, REFUSED, LISTED)}
    assert {*CASES, *REFUSED, *LISTED} - used == set()


@pytest.mark.parametrize("pattern", LISTED)
def test_what_is_listed_has_a_test_of_its_own(pattern):
    reason, file = LISTED[pattern]
    assert reason
    assert pattern.rpartition(".")[2] in (ROOT / "tests" / file).read_text("utf-8")


@pytest.mark.parametrize(("name", "one"), EVERY, ids=[f"{name}-{one.key}" for name, one in EVERY])
def test_a_changed_value_changes_the_training(trainings, name, one):
    if matching(LISTED, name, one.key):
        return  # the test above
    method, given, changed = case(name, one, trainings)
    if refused := matching(REFUSED, name, one.key):
        with pytest.raises(InputError, match=re.escape(REFUSED[refused])):
            trainings.outcome(method, changed)
        return
    before, after = (trainings.outcome(method, settings) for settings in (given, changed))
    assert not same(before, after), f"{given} and {changed} leave the same"


def case(name, one, trainings):
    """Return a method, the settings under which one is read, and the same with another value of it."""
    pattern = matching(CASES, name, one.key)
    value, context = CASES.get(pattern, (..., {}))
    method = context.get("method", name if name in METHODS else "finetune")
    group = one.key[: -len(pattern)] if pattern else ""
    given = {**SMALL.get(method, {}), **{key.replace("~", group): some for key, some in context.items()}}
    inside = re.fullmatch(r"(.*distance)\.(\w+)\.\w+", one.key)
    if inside and inside[2] in DISTANCES:
        given[f"{inside[1]}.loss"] = inside[2]
    if name in ("distill", "mutual") and (own := one.key.split(".")[1]) in LOSSES:
        stops = name == "distill" and LOSSES[own].reads != "logits"  # before the classifier: refused alone
        given["method.losses"] = (own, "imitation") if stops else (own,)
    if "old_" in one.key and one.key != "method.old_pull.weight":
        given["method.old_pull.weight"] = 1.0
    if value is ...:
        configs = trainings.configs(method, given)
        start, _, rest = one.key.partition(".")
        value = another(one, value_of(configs[start], rest))
    return method, given, {**given, one.key: value}
