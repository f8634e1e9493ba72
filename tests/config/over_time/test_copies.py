"""What a step of time adds: routes, sizes of side modules, and settings that a mode leaves aside."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelheir.checks import InputError, validate
from modelheir.config.over_time.copies import OverTimeConfig, check_routes, parse_routes, side_sizes

LAYERS = ("conv1", "layer1", "fc")


@pytest.mark.parametrize(
    ("text", "steps", "routes"),
    [
        ("all", 1, ((0, 0, 0),)),
        ("all", 3, ((0, 0, 0), (1, 1, 1), (2, 2, 2))),
        ("none", 3, ((0, 0, 0),) * 3),
        ("fc", 3, ((0, 0, 0), (0, 0, 1), (0, 0, 2))),
        ("conv1, layer1:fc", 3, ((0, 0, 0), (1, 1, 0), (1, 1, 1))),
        ("fc:none:all", 4, ((0, 0, 0), (0, 0, 1), (0, 0, 1), (1, 1, 2))),
    ],
)
def test_a_layer_that_is_named_gets_the_next_copy_and_others_keep_theirs(text, steps, routes):
    assert parse_routes(text, steps=steps, layers=LAYERS) == routes


@given(st.lists(st.lists(st.sampled_from(LAYERS), unique=True), min_size=1, max_size=5))
def test_routes_count_how_often_a_layer_was_named(lists):
    text = ":".join(",".join(one) or "none" for one in lists)
    found = parse_routes(text, steps=len(lists) + 1, layers=LAYERS)
    assert check_routes(found, LAYERS) == found
    for step, row in enumerate(found):
        assert row == tuple(sum(name in one for one in lists[:step]) for name in LAYERS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "layer2",
            "unknown layer in layers = 'layer2': 'layer2'. Did you mean 'layer1'.*Known: conv1, layer1",
        ),
        ("fc:fc:fc", "has lists for 3 steps, and 2 follow the first"),
        ("fc,fc", "names a layer twice in one step"),
        ("fc,all", "unknown layer in layers = 'fc,all': 'all'"),
        ("fc:", "unknown layer .*: ''"),
    ],
)
def test_mistakes_in_layers(text, said):
    with pytest.raises(InputError, match=said):
        parse_routes(text, steps=3, layers=LAYERS)


@pytest.mark.parametrize(
    ("routes", "said"),
    [
        ([], "need a row a step and 3 columns"),
        ([[0, 0]], "need a row a step and 3 columns"),
        ([[0, 1, 0]], "first step uses copy 0"),
        ([[0, 0, 0], [0, 2, 0]], "the copy of the step before, or the next one"),
        ([[0, 0, 0], [0, 1, 0], [0, 0, 0]], "the copy of the step before, or the next one"),
    ],
)
def test_routes_that_leap_or_fall(routes, said):
    with pytest.raises(ValueError, match=said):
        check_routes(routes, LAYERS)


@pytest.mark.parametrize("text", ["0", "a", "64,", "64;128", "blocks", "-1"])
def test_sizes_that_say_nothing(text):
    with pytest.raises(InputError, match="give channels with commas between, such as 64,128, or block"):
        side_sizes(text)


def test_sizes():
    assert (side_sizes(" 8 , 16"), side_sizes(" "), side_sizes("block")) == ((8, 16), (), None)


def test_each_mode_reads_its_own_settings():
    assert set(OverTimeConfig().unread()) == {
        "side_layer_sizes", "adapter_rank", "adapter_mode", "all_layers_efficient", "ablate",
    }  # fmt: skip
    assert set(OverTimeConfig(mode="side_tune").unread()) == {"adapter_rank", "adapter_mode"}
    assert OverTimeConfig(mode="low_rank_adapt").unread() == {"side_layer_sizes": "mode = 'low_rank_adapt'"}


def test_mistakes_in_settings():
    with pytest.raises(InputError, match="adapter_rank = 0: low_rank_adapt needs a rank of at least 1"):
        OverTimeConfig(mode="low_rank_adapt").check()
    with pytest.raises(InputError, match="side_layer_sizes = 'x'"):
        OverTimeConfig(mode="side_tune", side_layer_sizes="x").check()
    with pytest.raises(InputError, match=r"mode = 'side': must be one of separate, side_tune, low_rank_adapt"):
        validate(OverTimeConfig(mode="side"))
