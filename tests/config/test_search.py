"""What a search tries: read from mappings, each value tried on the settings, and refused by name."""

import pytest

from modelheir.checks import InputError
from modelheir.config.run import TrainConfig
from modelheir.config.search import Listed, Range, read_space, split_changes, value_of
from modelheir.methods import METHODS

OWN = METHODS["distill"].config()
FLAGS = {"epochs": "fit.epochs", **METHODS["distill"].flags}


def read(given, **named):
    return read_space(given, TrainConfig(), OWN, shortcuts=FLAGS, **named)


def test_lists_ranges_short_flags_and_nested_groups():
    found = read(
        {
            "fit": {"lr": [0.01, 0.02, 0.01], "weight_decay": {"low": 0, "high": 0.1}},
            "epochs": {"low": 2, "high": 8, "log": True},
            "teacher": ["run:a", ["run:a", "run:b"]],
            "fit.lr_multipliers": [[0, 0.5, 1], []],
        }
    )
    assert found == {
        "fit.lr": Listed((0.01, 0.02)),
        "fit.weight_decay": Range(0, 0.1),
        "fit.epochs": Range(2, 8, log=True, whole=True),
        "method.teacher": Listed((("run:a",), ("run:a", "run:b"))),
        "fit.lr_multipliers": Listed(((0.0, 0.5, 1.0), ())),
    }


def test_pairs_of_a_listed_setting():
    found = read({"method.teacher": {"pairs": ["run:a", "run:b", "run:c"]}})
    pairs = (("run:a", "run:b"), ("run:a", "run:c"), ("run:b", "run:c"))
    assert found == {"method.teacher": Listed(pairs)}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, r"there is nothing to try: give --space FILE, or --search\.SETTING VALUE VALUE"),
        ({"fit.lrr": [1]}, r"unknown setting 'fit\.lrr' to try\. Did you mean 'fit\.lr'\?"),
        ({"learning_rate": [1]}, r"Did you mean 'fit\.lr'\?"),
        ({"fit.lr": ["fast"]}, r"fit\.lr = 'fast': must be a number"),
        ({"fit.lr": [0.1, -1.0]}, r"fit\.lr = -1\.0: must be"),
        ({"method.label_weight": [-1.0]}, r"method\.label_weight = -1\.0: must be"),
        ({"inputs.augment": ["crop", "flop"]}, r"inputs\.augment = 'flop': must be one of"),
        ({"fit.lr": []}, r"fit\.lr: the list of values is empty"),
        ({"fit.lr": {"low": 0.1}}, r"fit\.lr: .*a range is \{low: X, high: Y\}, perhaps with log: true"),
        ({"fit.lr": {"low": 0.1, "high": 0.2, "step": 1}}, "a range is"),
        ({"fit.lr": {"low": 0.2, "high": 0.1}}, "below high"),
        ({"fit.lr": {"low": 0, "high": 0.1, "log": True}}, "above 0 with log: true"),
        ({"fit.lr": {"low": -1, "high": 0.1}}, r"fit\.lr = -1\.0: must be"),
        ({"inputs.augment": {"low": 0, "high": 1}}, r"inputs\.augment: it is no number"),
        ({"method.teacher": {"pairs": ["run:a"]}}, r"method\.teacher: .*of at least two items"),
        ({"method.teacher": {"pairs": "run:a"}}, r"pairs are \{pairs: \[A, B, C\]\}"),
        ({"method.teacher": {"pairs": ["run:a", "run:b"], "log": True}}, "pairs are"),
        ({"method.teacher": {"pairs": ["run:a", "run:b", "run:a"]}}, "an item is there twice"),
        ({"fit.lr": {"pairs": [0.1, 0.2]}}, r"fit\.lr: it holds one value, so it takes no pairs"),
        ({"inputs.val_fraction": [0.1, 0.5]}, r"inputs\.val_fraction is the same in every trial"),
        ({"seed": [0, 1]}, "seed is the same in every trial"),
        ({"epochs": [1], "fit.epochs": [2]}, r"fit\.epochs is given twice"),
    ],
)
def test_bad_spaces_are_refused_in_a_sentence(given, said):
    with pytest.raises(InputError, match=said):
        read(given)


def test_the_file_is_named():
    with pytest.raises(InputError, match=r"^space\.yaml: fit\.lr = 'x': must be"):
        read({"fit.lr": ["x"]}, source="space.yaml")


def test_changes_are_parted_and_values_found():
    assert split_changes({"seed": 1, "method.policy.batch_norm": "batch"}) == (
        {"seed": 1},
        {"policy.batch_norm": "batch"},
    )
    assert value_of((TrainConfig(), OWN), "fit.epochs") == 30
    assert value_of((TrainConfig(), OWN), "method.policy.batch_norm") == "eval"
