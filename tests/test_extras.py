"""What is not installed is said in one sentence that names the extra."""

import sys

import pytest

from modelheir.checks import InputError
from modelheir.extras import TRAIN, need, need_train


def test_what_is_there_is_not_asked_for_nor_imported():
    sys.modules.pop("wave", None)
    need("train", "this", "json", "wave")
    assert "wave" not in sys.modules


def test_every_missing_package_is_named_with_the_extra():
    said = "drawing needs the extra 'plot': pip install 'modelheir[plot]' (missing: no_such_package, no_other_package)."
    with pytest.raises(InputError) as error:
        need("plot", "drawing", "json", "no_such_package", "no_other_package")
    assert str(error.value) == said


@pytest.mark.parametrize("name", TRAIN)
def test_training_needs_each_package_of_its_extra(name, monkeypatch):
    for other in TRAIN:
        monkeypatch.setitem(sys.modules, other, sys)
    need_train("training")
    monkeypatch.setitem(sys.modules, name, None)  # what Python takes as "cannot be imported"
    with pytest.raises(InputError, match=rf"'modelheir\[train\]' \(missing: {name}\)"):
        need_train("training")
