"""Plain values to configs and back."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import pytest

from modelheir.checks import InputError, validate
from modelheir.config.fit import FitConfig
from modelheir.config.inputs import InputConfig
from modelheir.config.mapping import allowed, flatten, from_mapping, read_yaml, to_mapping
from modelheir.config.network import NetworkConfig


@dataclasses.dataclass(frozen=True)
class Odd:
    kind: Literal["a", "b"] = "a"
    more: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    maybe: float | None = None
    fit: FitConfig = dataclasses.field(default_factory=FitConfig)


@pytest.mark.parametrize("config", [FitConfig, InputConfig, NetworkConfig, Odd])
def test_defaults_are_valid_and_come_back(config):
    validate(config())
    assert from_mapping(config, to_mapping(config())) == config()


def test_dotted_and_nested_keys_are_one():
    made = from_mapping(Odd, {"fit.lr": 1, "fit": {"epochs": 3.0}, "maybe": 2, "more": {"x": [1]}})
    assert made == Odd(more={"x": [1]}, maybe=2.0, fit=FitConfig(lr=1.0, epochs=3))
    assert isinstance(made.fit.lr, float)
    assert isinstance(made.fit.epochs, int)


def test_only_what_is_given_is_flattened():
    assert flatten(Odd, {"fit": {"lr_multipliers": [1, 2]}}) == {"fit.lr_multipliers": (1.0, 2.0)}
    assert flatten(InputConfig, {"train_classes": "cat"}) == {"train_classes": ("cat",)}


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({"kind": "c"}, "kind = 'c': must be one of a, b."),
        ({"maybe": "x"}, "maybe = 'x': must be a number, or null."),
        ({"maybe": True}, "maybe = True: must be a number, or null."),
        ({"more": 3}, "more = 3: must be a mapping."),
        ({"fit": {"epochs": True}}, "fit.epochs = True: must be a whole number >= 1."),
        ({"fit": {"nesterov": "no"}}, "fit.nesterov = 'no': must be true or false."),
        ({"kind.x": 1}, "kind is one value, not a group"),
        ({"fitt": {}}, "unknown setting 'fitt'. Did you mean 'fit'?"),
        ({3: 1}, "unknown setting '3'. Known: kind, more, maybe, fit."),
    ],
)
def test_mistakes(tree, said):
    with pytest.raises(InputError) as error:
        from_mapping(Odd, tree, source="x.yaml")
    assert str(error.value).startswith("x.yaml: ")
    assert said in str(error.value)


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "1.0e-3", "0.1e-2", ".1e-2", "+1e-3"])
def test_every_way_to_write_a_number(text, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(f"lr: {text}\nname: 1e-3x\nempty:\n")
    assert read_yaml(path) == {"lr": 0.001, "name": "1e-3x", "empty": None}


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="is missing"):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9")
    with pytest.raises(InputError, match="cannot be read"):
        read_yaml(tmp_path / "latin.yaml")
    (tmp_path / "tag.yaml").write_text("a: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(InputError, match=r"tag.yaml, line 1"):
        read_yaml(tmp_path / "tag.yaml")
    (tmp_path / "empty.yaml").write_text("")
    assert read_yaml(tmp_path / "empty.yaml") == {}


def test_allowed_in_words():
    assert allowed(int | None) == "a whole number, or null"
    assert allowed(dict[str, Any]) == "a mapping"
