"""Settings know their comments, limits and defaults."""

import dataclasses
from typing import Annotated

import pytest

from modelheir.checks import AtLeast
from modelheir.config.describe import comments, settings
from modelheir.config.fit import FitConfig
from modelheir.config.inputs import InputConfig
from modelheir.config.run import TrainConfig


@dataclasses.dataclass(frozen=True)
class Base:
    a: Annotated[int, AtLeast(1)] = 2  #: first; # and more


@dataclasses.dataclass(frozen=True)
class Child(Base):
    b: tuple[str, ...] = (
        "x",
        "y",
    )  #: second
    plain: str = "#: not a comment"
    long: int = 0  #: third,
    #: and what it
    #: is not
    bare: int = 0
    #: of nothing
    inside: int = (
        0  #: fourth,
        #: and more
    )
    inner: Base = dataclasses.field(default_factory=Base)  #: a group


def test_comments_stand_beside_fields():
    assert comments(Child) == {
        "b": "second",
        "plain": "",
        "long": "third, and what it is not",
        "bare": "",
        "inside": "fourth, and more",
        "inner": "a group",
    }


def test_settings_with_inherited_and_nested_ones():
    found = {one.key: one for one in settings(Child, "top")}
    assert list(found) == ["top.a", "top.b", "top.plain", "top.long", "top.bare", "top.inside", "top.inner.a"]
    assert found["top.a"].about == "first; # and more"
    assert found["top.a"].allowed == "a whole number >= 1"
    assert found["top.b"].default == ("x", "y")
    assert [one.key for one in settings(Child, nested=False)] == ["a", "b", "plain", "long", "bare", "inside"]


def test_a_class_without_source_has_no_comments():
    made = dataclasses.make_dataclass("Made", [("a", int, 1)])
    assert [(one.key, one.about) for one in settings(made)] == [("a", "")]


@pytest.mark.parametrize("config", [FitConfig, InputConfig, TrainConfig])
def test_most_settings_say_what_they_are(config):
    silent = [one.key for one in settings(config, nested=False) if not one.about]
    assert set(silent) <= {"optimizer", "nesterov", "weight_decay", "schedule", "warmup_lr", "min_lr", "precision"}
