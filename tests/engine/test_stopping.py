import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.engine.stopping import NoRiseRule


def run(values, patience=5):
    """Return the epoch the fit ends after (None: it does not), and the epoch kept."""
    rule = NoRiseRule(patience)
    for value in values:
        rule.observe(value)
        if rule.stop:
            return rule.epoch, rule.best_epoch
    return None, rule.best_epoch


def by_hand(values, patience):
    """The rule by its definition: the first epoch that ends more than ``patience`` in a row without a rise."""
    flat = [epoch > 0 and not values[epoch] > values[epoch - 1] for epoch in range(len(values))]
    end = next((e for e in range(len(values)) if e > patience and all(flat[e - patience : e + 1])), None)
    seen = values[: len(values) if end is None else end + 1]
    return end, seen.index(max(seen))


def test_the_stated_sequences():
    assert run([0.1, *[0.2] * 7]) == (7, 1)
    assert run([0.1, 0.3, 0.2, 0.25, 0.24, 0.26, 0.2, 0.2, 0.2, 0.2]) == (None, 1)  # each rise begins anew
    assert run([0.5, 0.4, 0.3, 0.2, 0.1, 0.09, 0.08]) == (6, 0)
    assert run([0.5, *[0.4] * 11], patience=10) == (11, 0)


@settings(deadline=None)
@given(st.lists(st.integers(0, 4).map(float), min_size=1, max_size=25), st.integers(0, 4))
def test_against_its_definition(values, patience):
    assert run(values, patience) == by_hand(values, patience)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.integers(0, 11))
def test_going_on_from_a_saved_state_is_going_straight_on(values, at):
    straight, parted = NoRiseRule(), NoRiseRule()
    for value in values[:at]:
        straight.observe(value)
        parted.observe(value)
    resumed = NoRiseRule()
    resumed.load_state_dict(json.loads(json.dumps(parted.state_dict())))
    for value in values[at:]:
        assert resumed.observe(value) == straight.observe(value)
    assert resumed.state_dict() == straight.state_dict()


def test_what_is_not_a_number_is_no_rise_and_is_never_kept():
    rule = NoRiseRule(patience=0)
    assert not rule.observe(math.nan)
    assert (rule.stop, rule.best_epoch) == (False, -1)
    assert rule.observe(0.0)
    assert not rule.observe(math.nan)
    assert rule.stop


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match="patience must be >= 0"):
        NoRiseRule(-1)
