"""The images of a run, as it read them."""

import shutil

import numpy as np
import pytest

from modelheir.bench.pictures.members import read_members
from modelheir.bench.pictures.worlds import Worlds, open_dated
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig


def test_the_newest_step_is_that_of_the_run(members):
    world = Worlds("cpu").of(members[0])
    assert world.history.names == ("source", "rotation", "label_flip")
    table = members[0].folder.stage_named("erm_final_seed0").predictions("test")
    from modelheir.runs.predictions import read_predictions

    assert sorted(read_predictions(table).sample_id) == sorted(world.newest.splits["test"].ids)
    assert (world.newest.splits["train"].columns["step"] == 2).all()


def test_runs_that_read_the_same_share_it(members):
    worlds = Worlds("cpu")
    assert worlds.of(members[0]) is worlds.of(members[1])


def test_other_images_are_refused(bench, tmp_path):
    shutil.copytree(bench / "cells" / "turned" / "net" / "seed0", tmp_path / "run")
    member = read_members([str(tmp_path / "run")])[0][0]
    other = f"sequence:{bench / 'sequences' / 'turned.yaml'},seed=3"
    with pytest.raises(InputError, match=r"does not hold the images that .* was trained on: restore them, or say"):
        Worlds("cpu", other).of(member)
    moved = tmp_path / "moved.yaml"
    shutil.copy(bench / "sequences" / "turned.yaml", moved)
    assert len(Worlds("cpu", f"sequence:{moved}").of(member).history) == 3


def test_data_with_a_column_are_cut_as_the_method_cuts_them():
    history = open_dated("digits", InputConfig(), steps=3)
    assert len(history) == 3
    sizes = [len(step["train"]) for step in history.steps]
    assert max(sizes) - min(sizes) < 60
    assert np.ptp(sizes) >= 0
    with pytest.raises(InputError, match=r"there is one step alone|is one step"):
        open_dated("digits", InputConfig(), steps=1)
