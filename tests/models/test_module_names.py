import pytest
from torch import nn

from modelheir.checks import InputError
from modelheir.models.module_names import beginnings, find_module, title


def test_a_module_is_found_under_every_name_it_has():
    shared = nn.ReLU()
    net = nn.Sequential(shared, nn.Sequential(nn.Tanh(), shared))
    assert find_module(net, "1.1") is find_module(net, "0") is shared


def test_a_wrong_path_is_answered_with_three_names_at_most():
    net = nn.ModuleDict({f"layer{number}": nn.ModuleDict({"conv": nn.Linear(1, 1)}) for number in range(5)})
    with pytest.raises(InputError) as error:
        find_module(net, "conv")
    assert str(error.value) == (
        "no module of ModuleDict is called 'conv'. Did you mean 'layer0.conv' or 'layer1.conv' or 'layer2.conv'? "
        "Names begin with layer0.conv, layer1.conv, layer2.conv, layer3.conv, ...."
    )
    with pytest.raises(InputError, match=r"called ''\. Names begin"):
        find_module(net, "")


def test_beginnings_name_what_is_inside_once():
    assert beginnings(["body", "body.conv", "body.conv.0", "head", "a", "b", "c"]) == "body.conv, head, a, b, ..."
    assert title(nn.ReLU()) == "ReLU"
