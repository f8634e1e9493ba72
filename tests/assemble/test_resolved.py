"""What ``config.yaml`` keeps of a run's settings is all of them, and read back they are the same."""

import pytest

from modelheir.assemble.resolved import default_model, resolved, write_config
from modelheir.config.mapping import from_mapping, read_yaml
from modelheir.config.run import TrainConfig
from modelheir.methods import METHODS
from modelheir.runs import RunFolder


@pytest.mark.parametrize(
    ("size", "name"), [(8, "convnet"), (16, "convnet"), (17, "resnet8"), (64, "resnet8"), (65, "tv:resnet18")]
)
def test_small_images_keep_their_resolution_through_the_stem(size, name):
    assert default_model(size) == name


def test_settings_come_back_from_the_file_as_they_were(quick, tmp_path):
    config, own = quick(old=("run:a", "run:b"), seed=7), METHODS["upgrade"].config()
    folder = RunFolder(tmp_path)
    write_config(folder, resolved("upgrade", config, own))
    found = read_yaml(str(folder.config))
    assert found.pop("train") == "upgrade"
    assert from_mapping(type(own), found.pop("method")) == own
    assert from_mapping(TrainConfig, found) == config
