import re

import pytest

from modelheir.assemble.averaging.settings import AverageConfig, own_settings, read_average
from modelheir.checks import InputError

from .conftest import DATA

TWO = {"models": ("run:a", "run:b"), "out": "o"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "an average needs at least two models, got none"),
        ({"models": ("run:a",), "out": "o"}, "got one, run:a: name the others, or give --snapshots run:a for"),
        ({**TWO, "models": ("run:a", "run:b", "run:a")}, "run:a is given twice"),
        ({**TWO, "snapshots": "run:c"}, "not both"),
        ({"snapshots": "file:a.pt", "out": "o"}, "only a run keeps snapshots"),
        ({**TWO, "out": ""}, "--out is missing"),
        ({**TWO, "by": ()}, "by is empty"),
        ({**TWO, "by": ("auto", "lawa")}, "write lawa:K"),
        ({**TWO, "old": ("run:c", "run:d")}, "counts flips against one --old, got 2"),
        ({**TWO, "recalibrate": False, "recalibrate_images": 9}, "recalibrate_images = 9 has no effect with recalib"),
        ({**TWO, "batch_size": 0}, "batch_size = 0"),
    ],
)
def test_what_is_wrong_whatever_the_models_hold_is_said_first(settings, message):
    with pytest.raises(InputError, match=re.escape(message)):
        AverageConfig(**settings).need()


def test_a_wrong_device_is_refused():
    with pytest.raises(InputError, match="device = 'gpu'"):
        AverageConfig(device="gpu")


def test_data_and_inputs_are_those_of_the_first_run(kept):
    found = read_average({"models": ["file:x.pt", kept.a, kept.b], "out": "o"})
    assert found.data == DATA
    assert found.inputs.image_size == 8
    assert found.addresses == ("file:x.pt", kept.a, kept.b)
    own = read_average({"snapshots": kept.start, "out": "o", "inputs.image_size": 16, "data": "digits"})
    assert (own.data, own.inputs.image_size, own.addresses) == ("digits", 16, (kept.start,))
    assert own_settings(["file:x.pt"]) == {}
    assert read_average({"models": ["file:x.pt", "file:y.pt"]}).data == ""
