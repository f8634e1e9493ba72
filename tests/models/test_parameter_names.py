"""What a person calls parameters, and which ones are meant."""

import pytest

from modelheir.checks import InputError
from modelheir.models import build, find_parameters

HEAD = ["head.weight", "head.bias"]
FIRST, SECOND = ([f"body.layers.{number}.0.{kind}" for kind in ("weight", "bias")] for number in (0, 1))


@pytest.mark.parametrize(
    ("piece", "names"),
    [
        ("head", HEAD),
        ("stage:-1", HEAD),
        ("stage:0", FIRST),
        ("conv1", FIRST),
        ("layer1", SECOND),
        ("fc", HEAD),
        ("linear", FIRST + SECOND + HEAD),
        ("body.layers.1.0.bias", SECOND[1:]),
        ("body.layers.1", SECOND),
        ("*.bias", [FIRST[1], SECOND[1], HEAD[1]]),
        ("hea?.*s", HEAD[1:]),
    ],
)
def test_parts_names_and_patterns(piece, names):
    model = build("mlp", classes=("a", "b", "c"), image_size=4)
    assert find_parameters(model, piece, said="x") == names


@pytest.mark.parametrize(
    ("piece", "said"),
    [
        (
            "haed",
            r"^fit.no_decay = \['haed'\]: no parameter of mlp is called 'haed'. Did you mean 'head'\? Names begin",
        ),
        ("stage:7", "there is no stage:7; mlp has 3 stages, 0 \\(stem\\) to 2 \\(head\\)"),
        ("layer2", "no parameter of mlp is called 'layer2'. Did you mean 'layer1'"),
        ("stage:x", "no parameter of mlp is called 'stage:x'"),
        ("*.no", r"no parameter of mlp is called '\*.no'"),
    ],
)
def test_a_name_of_nothing_is_answered_with_the_nearest(piece, said):
    model = build("mlp", classes=("a", "b", "c"), image_size=4)
    with pytest.raises(InputError, match=said):
        find_parameters(model, piece, said=f"fit.no_decay = {[piece]}")
