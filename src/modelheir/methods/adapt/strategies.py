"""Ways to use a past for the newest data, a row each, named as in the Seq-to-Final benchmark where it has them.

Ji, Alaa and Sontag, "Seq-to-Final: A Benchmark for Tuning from Sequential Distributions to a Final Time Point", 2024,
arXiv:2407.09642.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from modelheir.methods.adapt import ways
from modelheir.methods.adapt.joint import frozen_past, joint
from modelheir.methods.adapt.using_joint import using_joint

if TYPE_CHECKING:
    from modelheir.methods.adapt.builder import Builder, Node

__all__ = ["STRATEGIES", "Strategy"]


@dataclasses.dataclass(frozen=True)
class Strategy:
    """A way to use the past."""

    about: str  #: a line for people who choose
    build: Callable[[Builder], Node]  #: adds its stages; returns those whose best is its model


STRATEGIES: dict[str, Strategy] = {
    "erm_final": Strategy("the newest images alone", ways.newest_alone),
    "erm_all": Strategy("all images together", ways.all_together),
    "erm_all_weighted": Strategy("all images, older ones count less: 1 / (steps - t)", ways.all_weighted),
    "irm_all": Strategy("one classifier that is best at every step (IRM)", ways.domains("irm")),
    "dro_all": Strategy("all steps, those that do worst count more (group DRO)", ways.domains("group_dro")),
    "coral_all": Strategy("all steps, with features of one covariance (CORAL)", ways.domains("coral")),
    "erm_fine_tune": Strategy("the past together, then the newest", ways.fine_tune()),
    "irm_fine_tune": Strategy("the past by IRM, then the newest", ways.fine_tune(kind="irm")),
    "dro_fine_tune": Strategy("the past by group DRO, then the newest", ways.fine_tune(kind="group_dro")),
    "l2_fine_tune": Strategy("erm_fine_tune, pulled to the weights of the past (L2-SP)", ways.fine_tune(pull="l2_sp")),
    "l1_fine_tune": Strategy("erm_fine_tune, pulled to the weights of the past (L1-SP)", ways.fine_tune(pull="l1_sp")),
    "ewc_fine_tune": Strategy("erm_fine_tune, pulled where the past needs its weights", ways.fine_tune(pull="ewc")),
    "linear_probe_fine_tune": Strategy("the past, then the classifier on the newest, then all", ways.probe_then_all),
    "surgical_rgn": Strategy(
        "the past, then the stages with the largest relative gradient",
        ways.chosen_layers("surgical_rgn", "surgical_rgn"),
    ),
    "surgical_snr": Strategy(
        "the past, then the stages with the clearest gradient", ways.chosen_layers("surgical_snr", "surgical_snr")
    ),
    "search_fine_tune": Strategy(
        "the past, then the best of all sets of layers", ways.chosen_layers("search_fine_tune", "search")
    ),
    "gradual_unfreeze_first_to_last": Strategy("the past, then stage after stage from the stem", ways.gradual(1)),
    "gradual_unfreeze_last_to_first": Strategy("the past, then stage after stage from the head", ways.gradual(-1)),
    "low_rank_fine_tune": Strategy("the past, then changes of rank 8 and the classifier", ways.low_rank),
    "sequential_fine_tune": Strategy("one step after another", ways.sequential()),
    "sequential_fine_tune_linear_lr_decay": Strategy(
        "one after another, the learning rate falling by equal parts", ways.decaying("linear")
    ),
    "sequential_fine_tune_exponential_lr_decay": Strategy(
        "one after another, the learning rate falling by equal factors", ways.decaying("exponential")
    ),
    "sequential_l2": Strategy("one after another, pulled to the step before (L2)", ways.sequential(pull="l2_sp")),
    "sequential_l1": Strategy("one after another, pulled to the step before (L1)", ways.sequential(pull="l1_sp")),
    "sequential_fisher": Strategy(
        "one after another, pulled where the step before needs its weights", ways.sequential(pull="fisher")
    ),
    "sequential_ewc": Strategy(
        "one after another, pulled where earlier steps need weights", ways.sequential(pull="ewc")
    ),
    "sequential_replay": Strategy(
        "one after another, with some images of each earlier step", ways.sequential(replay=True)
    ),
    "erm_side_tune": Strategy("a frozen network of the past, and modules beside it", frozen_past("side_tune")),
    "erm_low_rank_adapt": Strategy(
        "a frozen network of the past that differs by low rank", frozen_past("low_rank_adapt")
    ),
    "sequential_side_tune": Strategy(
        "modules beside a frozen past, step after step", frozen_past("side_tune", sequential=True)
    ),
    "sequential_low_rank_adapt": Strategy(
        "a frozen past that differs by low rank, step after step", frozen_past("low_rank_adapt", sequential=True)
    ),
    "erm_final_using_joint": Strategy(
        "a check: erm_final, as new layers in a frozen joint network", using_joint("erm_final", fresh=True)
    ),
    "erm_fine_tune_using_joint": Strategy(
        "a check: erm_fine_tune, inside a frozen joint network", using_joint("erm_fine_tune")
    ),
    "l2_fine_tune_using_joint": Strategy(
        "a check: l2_fine_tune, inside a frozen joint network", using_joint("l2_fine_tune", pull=True)
    ),
    "sequential_fine_tune_using_joint": Strategy(
        "a check: sequential_fine_tune, inside a frozen joint network", using_joint("sequential_fine_tune")
    ),
    "sequential_l2_using_joint": Strategy(
        "a check: sequential_l2, inside a frozen joint network", using_joint("sequential_l2", pull=True)
    ),
    "joint_model": Strategy("copies of layers at every step, trained together", joint("separate")),
    "joint_side_tune": Strategy("modules beside the layers at every step, trained together", joint("side_tune")),
    "joint_low_rank_adapt": Strategy("low-rank changes at every step, trained together", joint("low_rank_adapt")),
    "sequential_average": Strategy("the mean of the weights after each step", ways.sequential_average),
    "dawin": Strategy("each image by its own weights between those of the past and of erm_fine_tune", ways.dawin),
    "wise_ft": Strategy("weights between those of the past and of erm_fine_tune", ways.wise_ft),
}
