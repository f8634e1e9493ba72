import dataclasses
import hashlib
import pickle

import numpy as np
import pytest

from modelheir.checks import InputError
from modelheir.data.sources.cifar import open_cifar10


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_absent_sets_say_how_to_fetch_them(tmp_path, config, name):
    from modelheir.data.sources.table import open_source

    with pytest.raises(InputError, match=rf"{name} is not in the folder .*inputs.download=true to fetch it"):
        open_source(name, dataclasses.replace(config, root=str(tmp_path)))


def test_a_present_set_is_read(tmp_path, config, monkeypatch):
    from torchvision.datasets import CIFAR10

    folder = tmp_path / CIFAR10.base_folder
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)

    def write(name, content):
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        return [name, hashlib.md5(data).hexdigest()]

    monkeypatch.setattr(CIFAR10, "train_list", [write("one", {"data": pixels.reshape(2, -1), "labels": [1, 0]})])
    monkeypatch.setattr(CIFAR10, "test_list", [write("two", {"data": pixels.reshape(2, -1), "labels": [0, 1]})])
    names = write("names", {"label_names": ["cat", "dog"]})
    monkeypatch.setattr(CIFAR10, "meta", {"filename": "names", "key": "label_names", "md5": names[1]})
    found = open_cifar10("", {}, dataclasses.replace(config, root=str(tmp_path)))
    assert found["train"].labels.tolist() == [1, 0]
    assert found["test"].ids.tolist() == ["test/00000", "test/00001"]
    assert found["train"].classes == ("cat", "dog")
    assert (found["train"].image(1) == pixels[1].transpose(1, 2, 0)).all()
