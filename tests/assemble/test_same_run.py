"""A folder goes on with its own run alone: other settings and other data are refused, and nothing in it changes."""

import numpy as np
import pytest
import yaml
from PIL import Image

from modelheir.assemble import train
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.methods import METHODS
from modelheir.runs import RunFolder


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_with_other_settings_is_refused_and_keeps_its_files(quick, tmp_path):
    folder = train("finetune", quick({"lr": 0.05}))
    before = content(folder)
    with pytest.raises(InputError, match=r"fit\.lr = 0\.05, and this one has 0\.06"):
        train("finetune", quick({"lr": 0.06}))
    assert content(folder) == before


def test_a_setting_that_an_older_folder_does_not_name_had_its_default(quick):
    path = train("finetune", quick()) / "config.yaml"
    older = yaml.safe_load(path.read_text())
    del older["fit"]["patience"], older["inputs"]["keep_together"]
    path.write_text(yaml.safe_dump(older))
    train("finetune", quick())
    path.write_text(yaml.safe_dump(older))
    with pytest.raises(InputError, match=r"fit\.patience = 0, and this one has 3"):
        train("finetune", quick({"patience": 3}))


def test_what_an_older_folder_names_and_nothing_reads_is_no_other_run(quick):
    folder = train("finetune", quick())
    older = yaml.safe_load((folder / "config.yaml").read_text())
    assert "replace_head" not in older["method"]  # it is read with a start alone
    older["method"]["replace_head"] = True
    (folder / "config.yaml").write_text(yaml.safe_dump(older))
    assert train("finetune", quick()) == folder
    older["method"]["gone"] = 1  # a setting of that version alone, which may have decided something
    (folder / "config.yaml").write_text(yaml.safe_dump(older))
    with pytest.raises(InputError, match=r"method\.gone = 1, and this one has None"):
        train("finetune", quick())


def test_an_older_folder_had_one_rate_for_all(quick, tmp_path):
    """A new head on trained weights is another run now; every other goes on."""
    start = train("finetune", quick(out=str(tmp_path / "start")))
    path = train("finetune", quick({"lr": 0.0})) / "config.yaml"
    older = yaml.safe_load(path.read_text())
    assert older["fit"].pop("head_multiplier") == 1.0
    path.write_text(yaml.safe_dump(older))
    train("finetune", quick({"lr": 0.0}))
    own = METHODS["finetune"].config(start=f"run:{start}", reinit_linear=True)
    new = quick({"lr": 0.0}, out=str(tmp_path / "new"))
    path = train("finetune", new, own) / "config.yaml"
    older = yaml.safe_load(path.read_text())
    assert older["fit"].pop("head_multiplier") == 10.0
    path.write_text(yaml.safe_dump(older))
    with pytest.raises(InputError, match=r"fit\.head_multiplier = 1\.0, and this one has 10\.0"):
        train("finetune", new, own)


def as_written_before(folder, **changes):
    """Write the settings of a run as an earlier version did: what was left open stays open."""
    kept = yaml.safe_load((folder / "config.yaml").read_text())
    kept["inputs"].pop("mirror", None)
    kept["inputs"] |= {"image_size": 0, "resize": 0, "crop_pad": 0, "augment": "auto"}
    kept |= {"model": "", **changes}
    (folder / "config.yaml").write_text(yaml.safe_dump(kept))


def test_an_older_folder_goes_on_where_this_version_chooses_the_same(quick):
    config = quick(data="digits", model="")
    folder = train("finetune", config)
    as_written_before(folder)
    assert train("finetune", config) == folder
    as_written_before(folder)
    with pytest.raises(InputError, match=r"inputs\.augment = 'crop', and this one has 'none'"):
        train("finetune", quick(data="digits", model="", inputs=InputConfig(augment="none")))


def test_an_older_folder_that_mirrored_is_not_gone_on_with_without(quick):
    """It mirrored whatever was not digits; saying so goes on."""
    folder = train("finetune", quick(inputs=InputConfig(mirror=True)))
    as_written_before(folder, model="mlp")
    with pytest.raises(InputError, match=r"inputs\.mirror = True, and this one has False"):
        train("finetune", quick())
    assert train("finetune", quick(inputs=InputConfig(mirror=True))) == folder


def write_pictures(folder, seed=0):
    """Write random images of two classes; the names are the same for every seed."""
    draw = np.random.default_rng(seed)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(20):
            Image.fromarray(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / name / f"{number}.png")


def replace_the_pixels(folder):
    write_pictures(folder, seed=1)


def rename_a_picture(folder):
    (folder / "cat" / "0.png").rename(folder / "cat" / "a.png")


def add_a_picture(folder):
    (folder / "dog" / "more.png").write_bytes((folder / "dog" / "0.png").read_bytes())


@pytest.mark.parametrize("change", [replace_the_pixels, rename_a_picture, add_a_picture])
def test_a_run_on_data_that_has_changed_is_refused_and_keeps_its_files(change, tmp_path, quick, train_interrupted):
    data, folder = tmp_path / "data", RunFolder(tmp_path / "run")
    config = quick({"batch_size": 8}, data=f"folder:{data}")

    def refused():
        before = content(folder.path)
        with pytest.raises(InputError, match=rf"^{folder.path} .* split has changed since.* --out.*restore the data"):
            train("finetune", config)
        assert content(folder.path) == before

    def restore():
        (data / "cat" / "a.png").unlink(missing_ok=True)
        (data / "dog" / "more.png").unlink(missing_ok=True)
        write_pictures(data)

    restore()
    train_interrupted("finetune", config)
    assert folder.begun
    change(data)
    refused()
    restore()
    train("finetune", config)
    assert folder.status()["state"] == "finished"
    change(data)
    refused()
    restore()
    before = content(folder.path)
    assert train("finetune", config) == folder.path
    assert content(folder.path) == before


def test_an_older_finetune_that_trained_linear_layers_goes_on_with_the_setting_of_all_methods(quick):
    folder = train("finetune", quick(trainable="linear"))
    older = yaml.safe_load((folder / "config.yaml").read_text())
    older["method"]["trainable"] = older.pop("trainable")
    (folder / "config.yaml").write_text(yaml.safe_dump(older))
    assert train("finetune", quick(trainable="linear")) == folder
    (folder / "config.yaml").write_text(yaml.safe_dump(older))
    with pytest.raises(InputError, match="trainable = 'linear', and this one has 'all'"):
        train("finetune", quick())
