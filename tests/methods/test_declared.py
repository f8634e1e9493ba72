"""What a method declares without saying more: labels are read, and a further model need not be better than chance."""

import pytest

from modelheir.assemble.declared import open_sources
from modelheir.assemble.handing import further
from modelheir.checks import InputError
from modelheir.config.run import TrainConfig
from modelheir.methods.declared import ModelUse, SourceUse


def test_further_data_comes_with_labels_unless_it_is_declared_without():
    config, classes = TrainConfig(), ("class2", "class0", "class1")
    address = "synthetic:n=96,classes=3,size=8"
    labelled = open_sources({"pool": SourceUse(address)}, config, classes)["pool"]
    assert {"train", "val"} <= set(labelled)
    assert set(labelled["train"].labels) == {0, 1, 2}
    bare = open_sources({"pool": SourceUse(address, labelled=False)}, config, classes)["pool"]
    assert set(bare) == {"unlabelled"}
    assert set(bare["unlabelled"].labels) == {-1}


def test_a_further_model_teaches_only_where_it_is_declared_to_and_shares_a_class(world):
    old = world.given().old
    assert not further("x", ModelUse((world.old,)), old).teaches
    assert further("x", ModelUse((world.old,), teaches=True), old).teaches
    other = world.save_model("other", classes=("yes", "no"))
    with pytest.raises(InputError, match=r"--method\.x .*share no class name"):
        _ = further("x", ModelUse((other,)), old).models
    assert len(further("x", ModelUse((other,), classes="any"), old).models) == 1
