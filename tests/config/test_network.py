import dataclasses

import pytest

from modelheir.checks import InputError, limits, validate
from modelheir.config.mapping import from_mapping, to_mapping
from modelheir.config.network import NetworkConfig


def test_round_trip():
    config = NetworkConfig(
        mean=(0.5, 0.5, 0.5), kwargs={"memory_efficient": True, "width": 3, "rate": 0.5, "name": "x"}
    )
    again = from_mapping(NetworkConfig, to_mapping(config))
    assert again == config
    assert [type(value) for value in again.kwargs.values()] == [bool, int, float, str]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("head", "linaer"),
        ("cosine_temperature", 0.0),
        ("dropout", -0.1),
        ("embedding", -1),
        ("auxiliary", "mean"),
        ("mimo_members", 0),
        ("mimo_repeat", 1.1),
        ("resolution", -1),
        ("std", (0.5, 0.0, 0.5)),
    ],
)
def test_limits(key, value):
    with pytest.raises(InputError, match=key):
        validate(dataclasses.replace(NetworkConfig(), **{key: value}))


def test_every_limited_setting_is_tried():
    tried = {
        "head",
        "cosine_temperature",
        "dropout",
        "embedding",
        "auxiliary",
        "mimo_members",
        "mimo_repeat",
        "resolution",
        "std",
    }
    assert {name for name, _, limit in limits(NetworkConfig) if limit is not None} == tried
