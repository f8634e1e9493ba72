import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from modelheir.losses import batch_norm_names, penalised_names


def affine(net):
    """The names of one-dimensional weights beside a running mean: batch norms, by their state alone."""
    state = net.state_dict()
    held = {name.removesuffix("running_mean") for name in state if name.endswith("running_mean")}
    return {f"{path}{which}" for path in held for which in ("weight", "bias")}


def test_of_a_library_network_both_rules_find_the_same():
    net = timm.create_model("resnet10t", num_classes=3)
    assert batch_norm_names(net) == affine(net)
    kept = penalised_names(net)
    assert set(kept) == {name for name, _ in net.named_parameters()} - affine(net)
    assert kept == [name for name, _ in net.named_parameters() if name in kept]
    assert len(batch_norm_names(net)) > 10


def test_by_name_a_batch_norm_in_a_plain_sequential_escapes():
    stem = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4))
    down = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))
    block = nn.ModuleDict({"bn1": nn.BatchNorm2d(4), "downsample": down})
    net = nn.ModuleDict({"stem": stem, "block": block, "fc": nn.Linear(4, 2)})
    assert penalised_names(net, "by_name") == [
        *("stem.0.weight", "stem.1.weight", "stem.1.bias"),
        *("block.downsample.0.weight", "block.downsample.0.bias", "fc.weight", "fc.bias"),
    ]
    assert penalised_names(net) == [
        *("stem.0.weight", "block.downsample.0.weight", "block.downsample.0.bias", "fc.weight", "fc.bias")
    ]
    assert len(penalised_names(net, "all")) == len(list(net.parameters()))


@settings(deadline=None, max_examples=20)
@given(st.lists(st.sampled_from(["linear", "batch", "layer"]), min_size=1, max_size=6))
def test_the_two_parts_make_the_whole(kinds):
    made = {"linear": lambda: nn.Linear(2, 2), "batch": lambda: nn.BatchNorm1d(2), "layer": lambda: nn.LayerNorm(2)}
    net = nn.Sequential(*(made[kind]() for kind in kinds))
    assert len(batch_norm_names(net)) == 2 * kinds.count("batch")
    assert sorted([*penalised_names(net), *batch_norm_names(net)]) == sorted(penalised_names(net, "all"))


def test_a_bare_batch_norm_and_one_without_weights():
    assert batch_norm_names(nn.BatchNorm1d(2)) == {"weight", "bias"}
    assert penalised_names(nn.BatchNorm1d(2)) == []
    assert batch_norm_names(nn.Sequential(nn.BatchNorm1d(2, affine=False))) == set()


def test_a_frozen_parameter_is_named():
    net = nn.Linear(2, 2)
    net.weight.requires_grad_(False)
    assert penalised_names(net) == ["weight", "bias"]
    assert torch.is_tensor(net.weight)


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match="unknown rule 'by_names'"):
        penalised_names(nn.Linear(1, 1), "by_names")  # type: ignore[arg-type]
