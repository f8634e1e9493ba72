import dataclasses

import pytest

from modelheir.checks import InputError
from modelheir.config.describe import settings
from modelheir.config.mapping import to_mapping
from modelheir.config.unread import refuse_unread, unread


@dataclasses.dataclass(frozen=True)
class Soft:
    temperature: float = 1.0


@dataclasses.dataclass(frozen=True)
class Hard:
    margin: float = 0.5


@dataclasses.dataclass(frozen=True)
class Choice:
    kind: str = "soft"
    soft: Soft = dataclasses.field(default_factory=Soft)
    hard: Hard = dataclasses.field(default_factory=Hard)

    def unread(self):
        return {name: f"kind = {self.kind!r}" for name in ("soft", "hard") if name != self.kind}


@dataclasses.dataclass(frozen=True)
class Outer:
    choice: Choice = dataclasses.field(default_factory=lambda: Choice(hard=Hard(margin=0.0)))
    epochs: int = 3


def test_what_is_left_aside_is_neither_written_nor_shown():
    assert to_mapping(Outer()) == {"choice": {"kind": "soft", "soft": {"temperature": 1.0}}, "epochs": 3}
    shown = [one.key for one in settings(Outer, "method", every=False)]
    assert shown == ["method.choice.kind", "method.choice.soft.temperature", "method.epochs"]
    every = [one.key for one in settings(Outer, "method")]
    assert set(every) - set(shown) == {"method.choice.hard.margin"}


def test_a_value_that_nothing_reads_is_refused_by_name():
    refuse_unread(Outer(), Outer(), "method")
    refuse_unread(Outer(choice=Choice(kind="hard", hard=Hard(2.0))), Outer(), "method")
    # the method's own default of the group that is not read is no request
    refuse_unread(Outer(choice=Choice(soft=Soft(4.0), hard=Hard(0.0))), Outer(), "method")
    given = Outer(choice=Choice(hard=Hard(2.0)))
    words = r"method\.choice\.hard\.margin = 2\.0 has no effect with method\.choice\.kind = 'soft': leave it out"
    with pytest.raises(InputError, match=words):
        refuse_unread(given, Outer(), "method")


def test_a_config_without_choices_reads_all():
    assert unread(Soft()) == {}
