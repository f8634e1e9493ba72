"""What may be said of what trains."""

import pytest

from modelheir.checks import InputError
from modelheir.config.fit import FitConfig
from modelheir.config.run import TrainConfig
from modelheir.config.trainable import Trainable, parse_trainable


@pytest.mark.parametrize(
    ("text", "parts", "through", "size"),
    [
        ("all", ("all",), "", 0),
        (" head ,linear", ("head", "linear"), "", 0),
        ("stage:-1,stage:0", ("stage:-1", "stage:0"), "", 0),
        ("body.*.bias,head", ("body.*.bias", "head"), "", 0),
        ("low_rank:8", (), "low_rank", 8),
        ("head,plane:16", ("head",), "plane", 16),
    ],
)
def test_what_is_understood(text, parts, through, size):
    assert parse_trainable(text) == Trainable(parts, through, size)
    assert TrainConfig(trainable=text).trainable == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has an empty piece"),
        ("head,,linear", "has an empty piece"),
        ("all,head", "all leaves nothing"),
        ("low_rank", r"'low_rank' needs a number from 1, such as low_rank:8"),
        ("low_rank:0", "needs a number from 1"),
        ("plane:-3", r"needs a number from 1, such as plane:16"),
        ("low_rank:2,plane:2", "give one of low_rank and plane, once"),
        ("low_rank:2,low_rank:3", "once"),
        ("stage", r"'stage' is no part\. Known: all, head"),
        ("stage:x", "'stage:x' is no part"),
        ("lowrank:8", r"Did you mean 'low_rank'\?"),
    ],
)
def test_what_is_refused_before_anything_is_read(text, said):
    with pytest.raises(InputError, match=said):
        TrainConfig(trainable=text)


def test_multipliers_of_stages_say_nothing_about_shared_coordinates():
    fit = FitConfig(lr_multipliers=(0.0, 1.0))
    with pytest.raises(InputError, match=r"fit\.lr_multipliers has no effect with trainable = 'plane:2'"):
        TrainConfig(trainable="plane:2", fit=fit)
    assert TrainConfig(trainable="low_rank:2", fit=fit).fit == fit
