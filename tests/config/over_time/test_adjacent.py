import pytest

from modelheir.checks import InputError
from modelheir.config.over_time.adjacent import adjacent


def test_each_choice_has_another_meaning():
    names = ("none", "l2", "l1", "l2_fisher", "l2_high", "l2_very_high")
    assert len({adjacent(name) for name in names}) == len(names)
    assert adjacent("none").weights == (0.0,)
    assert adjacent("l2") == ("l2", (0.01, 0.1, 1.0))
    assert adjacent("l2_fisher").distance == "fisher"
    assert adjacent("l2_very_high").weights == (1e4, 1e5, 1e6)


def test_says_what_is_wrong():
    with pytest.raises(InputError, match=r"unknown adjacent_reg_type 'l2_hihg'\. Did you mean 'l2_high'"):
        adjacent("l2_hihg")
