import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.checks import InputError
from modelheir.config.over_time.layer_recipes import gradual_unfreezing, layer_subsets, leading_layers, parse_recipe

LAYERS = ["conv1", "layer1", "layer2", "fc"]
ALL = tuple(LAYERS)


@pytest.mark.parametrize(
    ("text", "steps", "wanted"),
    [
        ("all", 1, [[ALL]]),
        ("fc-all", 1, [[("fc",), ALL]]),
        ("linear_probe", 1, [[("fc",), ALL]]),
        ("fc, conv1 - layer1", 1, [[("conv1", "fc"), ("layer1",)]]),
        ("conv1:fc-all", 2, [[("conv1",)], [("fc",), ALL]]),
        ("layer1", 3, [[("layer1",)]] * 3),
        ("gradual_unfreeze_last_to_first", 2, [[ALL[3:], ALL[2:], ALL[1:], ALL]] * 2),
        ("gradual_unfreeze_first_to_last", 1, [[ALL[:1], ALL[:2], ALL[:3], ALL]]),
    ],
)
def test_the_grammar(text, steps, wanted):
    assert parse_recipe(text, LAYERS, steps=steps) == tuple(tuple(stages) for stages in wanted)


def test_compat_leaves_out_the_stage_before_all():
    for order, wanted in {
        "first_to_last": (ALL[:1], ALL[:2], ALL),
        "last_to_first": (ALL[3:], ALL[2:], ALL),
    }.items():
        assert parse_recipe(f"gradual_unfreeze_{order}", LAYERS, rule="compat") == (wanted,)
        assert gradual_unfreezing(LAYERS, order, rule="compat") == wanted


@settings(deadline=None)
@given(st.integers(1, 8), st.sampled_from(["first_to_last", "last_to_first"]))
def test_unfreezing_adds_one_layer_a_stage_and_ends_with_all(count, order):
    layers = [f"l{number}" for number in range(count)]
    stages = gradual_unfreezing(layers, order)
    assert [len(stage) for stage in stages] == list(range(1, count + 1))
    assert all(set(a) < set(b) for a, b in itertools.pairwise(stages))
    assert stages[-1] == tuple(layers)
    assert len(gradual_unfreezing(layers, order, rule="compat")) == max(count - 1, 1)


@settings(deadline=None)
@given(st.lists(st.lists(st.sets(st.sampled_from(LAYERS), min_size=1), min_size=1, max_size=3), min_size=1, max_size=3))
def test_what_is_written_is_read(recipes):
    text = ":".join("-".join(",".join(sorted(stage)) for stage in stages) for stages in recipes)
    found = parse_recipe(text, LAYERS, steps=len(recipes))
    assert [[set(stage) for stage in stages] for stages in found] == recipes
    assert all(list(stage) == [name for name in LAYERS if name in stage] for stages in found for stage in stages)


def test_subsets_and_leading_layers():
    subsets = list(layer_subsets(LAYERS))
    assert len(subsets) == len(set(subsets)) == 2**4 - 1
    assert subsets[0] == ("conv1",)
    assert subsets[-1] == ALL
    assert leading_layers(["layer2", "conv1", "fc", "layer1"], LAYERS) == [
        *(("layer2",), ("conv1", "layer2"), ("conv1", "layer2", "fc"), ALL)
    ]


@pytest.mark.parametrize(
    ("text", "steps", "sentence"),
    [
        ("layer3", 1, "'layer3' is no layer. Did you mean 'layer2'? Layers: conv1, layer1, layer2, fc; or all."),
        ("linear_prob", 1, "Did you mean 'linear_probe'"),
        ("fc--all", 1, "has an empty piece"),
        ("", 1, "has an empty piece"),
        ("fc,fc", 1, "'fc' leaves nothing"),
        ("fc,all", 1, "'all' leaves nothing"),
        ("fc:all", 1, "one step alone is tuned: leave the colons out"),
        ("fc:all", 3, "holds recipes for 2 steps, and 3 follow the first one"),
    ],
)
def test_says_what_is_wrong(text, steps, sentence):
    with pytest.raises(InputError) as caught:
        parse_recipe(text, LAYERS, steps=steps)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith(f"method.layers = {text!r}")


def test_a_programmers_mistake():
    with pytest.raises(ValueError, match="cannot name the layer 'a-b'"):
        parse_recipe("all", ["a-b"])
    with pytest.raises(ValueError, match="each name once"):
        parse_recipe("all", ["a", "a"])
    with pytest.raises(ValueError, match="each name once, and at least one"):
        list(layer_subsets([]))
    with pytest.raises(ValueError, match="must hold the same names"):
        leading_layers(["a"], ["a", "b"])
    with pytest.raises(InputError, match="unknown order"):
        gradual_unfreezing(LAYERS, "first")
    with pytest.raises(InputError, match="unknown rule"):
        gradual_unfreezing(LAYERS, "first_to_last", rule="new")
