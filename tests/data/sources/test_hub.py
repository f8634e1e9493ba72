import sys
import types

import pyarrow as pa
import pytest

from modelheir.checks import InputError
from modelheir.data.sources.hub import open_hub


def test_the_extra_is_named(monkeypatch, config):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"hf:a/b needs the extra 'hub': pip install 'modelheir\[hub\]'"):
        open_hub("a/b", {}, config)


class Part:
    """What of the package's Dataset is used."""

    def __init__(self, table, names):
        self.table, self.features = table, {"image": None, "label": types.SimpleNamespace(names=names)}

    def cast_column(self, name, feature):
        assert (name, feature) == ("image", ("image", False))
        return self

    def with_format(self, kind):
        assert kind == "arrow"
        return self

    def __getitem__(self, rows):
        return self.table


def test_splits_of_the_hub_become_ours(monkeypatch, png, config):
    import numpy as np

    table = pa.table({"image": [{"bytes": png(np.zeros((2, 3, 3), np.uint8)), "path": None}], "label": [1]})
    module = types.SimpleNamespace(
        load_dataset=lambda name: {"train": Part(table, ["x", "y"]), "validation": Part(table, ["x", "y"])},
        Image=lambda decode: ("image", decode),
    )
    monkeypatch.setitem(sys.modules, "datasets", module)
    found = open_hub("a/b", {}, config)
    assert set(found) == {"train", "val"}
    assert found["val"].classes == ("x", "y")
    assert found["val"].ids.tolist() == ["val/0"]
    assert found["train"].image(0).shape == (2, 3, 3)
    module.load_dataset = lambda name: {"extra": Part(table, [])}
    with pytest.raises(InputError, match="no split called train"):
        open_hub("a/b", {}, config)


def test_a_set_that_cannot_be_had_is_one_sentence(monkeypatch, config):
    def refuse(name):
        raise ConnectionError("Couldn't reach the hub.")

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=refuse))
    with pytest.raises(InputError, match=r"hf:a/b cannot be opened \(Couldn't reach the hub\): is the name right"):
        open_hub("a/b", {}, config)
