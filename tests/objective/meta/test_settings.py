import dataclasses

import pytest

from modelheir.checks import InputError, validate
from modelheir.config.unread import refuse_unread, unread
from modelheir.objective.meta import (
    FeedbackConfig,
    MetaConfig,
    MetaPseudoLabelsConfig,
    MutualFeedbackConfig,
    TargetConfig,
)

BAD = [
    ("targets.kind", TargetConfig(kind="hard")),
    ("targets.temperature", TargetConfig(temperature=0)),
    ("targets.confidence", TargetConfig(confidence=1.5)),
    ("targets.align_decay", TargetConfig(align_decay=-1)),
    ("targets.average_decay", TargetConfig(average_decay=2)),
    ("feedback.form", FeedbackConfig(form="jvp")),
    ("feedback.weight", FeedbackConfig(weight=-1)),
    ("feedback.baseline_decay", FeedbackConfig(baseline_decay=1.1)),
]


@pytest.mark.parametrize("whole", [MetaConfig, MetaPseudoLabelsConfig])
@pytest.mark.parametrize(("key", "group"), BAD)
def test_a_bad_value_is_refused_by_name(whole, key, group):
    with pytest.raises(InputError, match=f"method.{key} = .*: must be"):
        validate(dataclasses.replace(whole(), **{key.split(".")[0]: group}), "method")


@pytest.mark.parametrize(
    ("config", "key"),
    [
        (MetaConfig(unlabelled_weight=-1), "unlabelled_weight"),
        (MetaConfig(teacher_mode="eval"), "teacher_mode"),
        (MetaConfig(accumulate=0), "accumulate"),
        (MetaConfig(collapse_below=2), "collapse_below"),
        (MetaPseudoLabelsConfig(consistency_temperature=0), "consistency_temperature"),
        (MetaPseudoLabelsConfig(noise=-1), "noise"),
    ],
)
def test_a_bad_value_of_the_whole_is_refused_by_name(config, key):
    with pytest.raises(InputError, match=f"method.{key} = "):
        validate(config, "method")


def test_the_defaults_are_good_and_all_read():
    for config in (MetaConfig(), MetaPseudoLabelsConfig()):
        validate(config)
        refuse_unread(config, type(config)())
    assert set(unread(FeedbackConfig())) == {"baseline_decay"}


@pytest.mark.parametrize(
    ("config", "aside"),
    [
        (TargetConfig(kind="soft"), {"temperature"}),
        (TargetConfig(kind="argmax", align=False), {"temperature", "align_decay"}),
        (FeedbackConfig(form="dot"), {"centred", "scaled"}),
        (FeedbackConfig(form="none"), {"weight", "centred", "scaled", "baseline_decay", "shuffled"}),
        (FeedbackConfig(weight=0.0), {"centred", "scaled", "baseline_decay", "shuffled"}),
        (
            MutualFeedbackConfig(weight=0.0),
            {"centred", "scaled", "baseline_decay", "shuffled", "previous_params"},
        ),
        (MetaConfig(unlabelled_weight=0.0), {"targets", "feedback", "teacher_mode", "collapse_below"}),
        (MetaPseudoLabelsConfig(), {"consistency_temperature", "consistency_threshold", "noise"}),
    ],
)
def test_what_a_choice_leaves_aside_is_said(config, aside):
    assert set(unread(config)) == aside
