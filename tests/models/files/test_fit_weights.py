import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from modelheir.checks import InputError
from modelheir.models import state_hash
from modelheir.models.files.fit_weights import fit_weights, from_library

LAYOUTS = [
    {"body": "", "head": "fc"},
    {"body": "", "head": "classifier.6"},
    {"body": "features", "head.conv": "classifier.1"},
    {"body.net": "", "head": "fc", "auxiliary_heads.0": "AuxLogits.fc"},
]


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(LAYOUTS), st.lists(st.sampled_from("abc"), min_size=1, max_size=3))
def test_names_go_there_and_back(layout, pieces):
    inner = ".".join(pieces)
    ours = {f"{prefix}.{inner}": number for number, prefix in enumerate(layout)}
    ours.setdefault("body.a", -1)
    theirs = {}
    for key, value in ours.items():
        prefix = max((p for p in layout if key.startswith(f"{p}.")), key=len, default=None)
        if prefix is None:
            continue
        rest = key.removeprefix(f"{prefix}.")
        theirs[f"{layout[prefix]}.{rest}" if layout[prefix] else rest] = value
    assert set(from_library(theirs, layout).items()) <= set(ours.items())
    assert len(from_library(theirs, layout)) == len(theirs)


def test_a_longer_name_with_the_same_beginning_stays():
    assert from_library({"fc2.bias": 1, "fc.bias": 2}, LAYOUTS[0]) == {"body.fc2.bias": 1, "head.bias": 2}


def model():
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def test_whole_or_nothing():
    target, source = model(), model().state_dict()
    before = state_hash(target)
    source["0.bias"] = torch.zeros(4)
    del source["1.weight"], source["1.bias"]
    source["2.weight"] = torch.zeros(1)
    with pytest.raises(InputError) as error:
        fit_weights(target, source, "model.pt")
    text = str(error.value)
    assert "2 missing (1.weight, 1.bias)" in text
    assert "1 unexpected (2.weight)" in text
    assert "1 of another shape (0.bias (4,) for (3,))" in text
    assert state_hash(target) == before


def test_names_the_first_five():
    with pytest.raises(InputError, match=r"6 missing \(0.weight, 0.bias, 1.weight, 1.bias, 1.running_mean, \.\.\.\)"):
        fit_weights(model(), {}, "model.pt")


def test_counters_may_be_missing_and_optional_parts_too():
    source = model().state_dict()
    target = model()
    fit_weights(
        target, {k: v for k, v in source.items() if k.startswith("1.") and "tracked" not in k}, "x", optional=("0.",)
    )
    torch.testing.assert_close(target[1].weight, source["1.weight"])
