"""Settings of Meta Co-Training and Meta Pseudo Labels: what is taught, what comes back, what else a step holds.

The published recipe is ``targets.kind = "sampled"`` with no confidence, alignment or average, ``feedback.form =
"difference"`` of weight 1 without a baseline, and ``teacher_mode = "training"``. The defaults learnt best of those
tried on two Gaussian views of four classes, with two labels a class and linear heads: joint accuracy of 3 seeds 65 % by
labels alone, 75 % by the published targets, 94 % by these. There feedback adds nothing to targets that are confident
and aligned. Where they are neither, ``exact`` stands between agreement and collapse: 91 % against 48 % on ``argmax``,
83 % against 75 % on ``sampled``; the scalar forms change nothing. It costs about twice the step without feedback.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated

from modelheir.checks import Above, AtLeast, InRange, OneOf

__all__ = ["FeedbackConfig", "MetaConfig", "MetaPseudoLabelsConfig", "MutualFeedbackConfig", "TargetConfig"]


@dataclasses.dataclass(frozen=True)
class TargetConfig:
    """What a student is taught on unlabelled samples."""

    kind: Annotated[str, OneOf("sampled", "argmax", "soft", "sharpened")] = (
        "sharpened"  #: a label drawn from the teacher's probabilities, its likeliest class, all of them, or those after
        #: the temperature
    )
    temperature: Annotated[float, Above(0)] = 0.5  #: of sharpened: divisor of the teacher's logits; 1 is soft
    confidence: Annotated[float, InRange(0, 1)] = (
        0.8  #: lowest probability of the likeliest class of a sample that is taught; 0 teaches all
    )
    align: bool = True  #: bring the teacher's mean probabilities to the prior of the classes
    align_decay: Annotated[float, InRange(0, 1)] = 0.999  #: a step, of the running mean of these probabilities
    average_decay: Annotated[float, InRange(0, 1)] = 0.99  #: a step, of averaged weights that teach; 0: weights as are

    def unread(self) -> dict[str, str]:
        """Return what is not read with these choices, and why: see :mod:`modelheir.config.unread`."""
        aside = {} if self.kind == "sharpened" else {"temperature": f"kind = {self.kind!r}"}
        return aside if self.align else {**aside, "align_decay": "align = False"}


@dataclasses.dataclass(frozen=True)
class FeedbackConfig:
    """How a teacher learns whether its labels helped a student on labelled samples."""

    form: Annotated[str, OneOf("exact", "dot", "difference", "none")] = (
        "exact"  #: a reward for every sample and class, one product of gradients a batch, the fall of the labelled loss
        #: over the student's step, or nothing
    )
    weight: Annotated[float, AtLeast(0)] = 0.3  #: of the feedback beside the labelled loss; 0 is off
    centred: bool = True  #: exact: rewards less their mean under the teacher's probabilities
    scaled: bool = True  #: exact: rewards divided by their root mean square over the batch
    baseline_decay: Annotated[float, InRange(0, 1)] = 0.99  #: dot, difference: of a running mean taken off; 0 is off
    shuffled: bool = False  #: a control: what comes back is about other samples of the batch

    def unread(self) -> dict[str, str]:
        """Return what is not read with these choices, and why: see :mod:`modelheir.config.unread`."""
        if not self.used:
            why = "form = 'none'" if self.form == "none" else "weight = 0.0"
            aside = {field.name for field in dataclasses.fields(self)} - {"form", "weight"}
            return dict.fromkeys(sorted(aside | ({"weight"} if self.form == "none" else set())), why)
        aside = ("baseline_decay",) if self.form == "exact" else ("centred", "scaled")
        return dict.fromkeys(aside, f"form = {self.form!r}")

    @property
    def used(self) -> bool:
        """Whether anything comes back."""
        return self.form != "none" and self.weight > 0


@dataclasses.dataclass(frozen=True)
class MutualFeedbackConfig(FeedbackConfig):
    """How a view learns whether its labels helped the others, whose step moves it too where it learns from them."""

    previous_params: bool = True  #: gradients of what was taught at the weights that taught; else at those after a step


@dataclasses.dataclass(frozen=True)
class MetaConfig:
    """Settings of a step of Meta Co-Training."""

    targets: TargetConfig = dataclasses.field(default_factory=TargetConfig)
    feedback: MutualFeedbackConfig = dataclasses.field(default_factory=MutualFeedbackConfig)
    unlabelled_weight: Annotated[float, AtLeast(0)] = 1.0  #: of what is taught; 0: labelled samples alone
    supervised: bool = True  #: the labelled loss is part of every step
    teacher_mode: Annotated[str, OneOf("evaluation", "training")] = (
        "evaluation"  #: of dropout and batch norms while views teach
    )
    accumulate: Annotated[int, AtLeast(1)] = 1  #: micro-batches of each pass that trains; their gradients are averaged
    collapse_below: Annotated[float, InRange(0, 1)] = (
        0.5  #: share of the prior's entropy; two epochs in a row with less in a view's labels end training; 0: never
    )

    def unread(self) -> dict[str, str]:
        """Return what is not read with these choices, and why: see :mod:`modelheir.config.unread`."""
        aside = ("targets", "feedback", "teacher_mode", "collapse_below")
        return {} if self.unlabelled_weight else dict.fromkeys(aside, "unlabelled_weight = 0.0")


@dataclasses.dataclass(frozen=True)
class MetaPseudoLabelsConfig:
    """Settings of a step of Meta Pseudo Labels."""

    targets: TargetConfig = dataclasses.field(default_factory=TargetConfig)
    feedback: FeedbackConfig = dataclasses.field(default_factory=FeedbackConfig)
    teacher_mode: Annotated[str, OneOf("evaluation", "training")] = (
        "evaluation"  #: of dropout and batch norms while the teacher teaches
    )
    consistency_weight: Annotated[float, AtLeast(0)] = (
        0.0  #: of the teacher's loss between two draws of an unlabelled sample; 0 is off
    )
    consistency_temperature: Annotated[float, Above(0)] = 0.4  #: divisor of the first draw's logits
    consistency_threshold: Annotated[float, InRange(0, 1)] = 0.8  #: lowest probability of a first draw that counts
    noise: Annotated[float, AtLeast(0)] = 0.1  #: of the second draw, in standard deviations of each feature
    accumulate: Annotated[int, AtLeast(1)] = 1  #: micro-batches of each pass that trains; their gradients are averaged
    collapse_below: Annotated[float, InRange(0, 1)] = (
        0.5  #: share of the prior's entropy; two epochs in a row with less in what is taught end training; 0: never
    )

    def unread(self) -> dict[str, str]:
        """Return what is not read with these choices, and why: see :mod:`modelheir.config.unread`."""
        aside = ("consistency_temperature", "consistency_threshold", "noise")
        return {} if self.consistency_weight else dict.fromkeys(aside, "consistency_weight = 0.0")
