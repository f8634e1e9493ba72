"""Settings of learning from vectors without labels: limits, and defaults that change something."""

import pytest

from modelheir.checks import InputError, validate
from modelheir.objective import ConsistencyConfig, PseudoLabelConfig, VectorNoiseConfig


def test_the_strong_view_is_stronger():
    config = ConsistencyConfig()
    validate(config, "method")
    for name in ("gaussian", "dropout", "mask"):
        assert getattr(config.strong, name) >= getattr(config.weak, name)
    assert config.strong != config.weak
    assert config.labels == PseudoLabelConfig()


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"weight": -1.0}, r"method\.weight"),
        ({"weak": VectorNoiseConfig(gaussian=-1.0)}, r"method\.weak\.gaussian"),
        ({"strong": VectorNoiseConfig(dropout=1.5)}, r"method\.strong\.dropout"),
        ({"strong": VectorNoiseConfig(mask=1.5)}, r"method\.strong\.mask"),
        ({"labels": PseudoLabelConfig(confidence=2.0)}, r"method\.labels\.confidence"),
    ],
)
def test_limits(wrong, key):
    with pytest.raises(InputError, match=key):
        validate(ConsistencyConfig(**wrong), "method")
