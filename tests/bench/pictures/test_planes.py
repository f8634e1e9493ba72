"""Places of models, against the weights as they lie in the files."""

import itertools

import numpy as np
import pytest

from modelheir.bench.pictures.planes import alike, moves, projected
from modelheir.bench.pictures.worlds import Worlds
from modelheir.checks import InputError
from modelheir.runs.tensors import load_weights


def row(member, stage):
    """All weights that count, read by hand: convolutions, and the classifier layer with its bias."""
    held = load_weights(member.folder.stage_named(f"{stage}_seed{member.number}").weights)
    names = [key for key, value in held.items() if value.ndim >= 2 or key.endswith("head.bias")]
    return np.concatenate([held[key].double().numpy().ravel() for key in sorted(names)])


def test_weights_are_projected_to_the_two_axes(members, oracle):
    member = members[0]
    panels, lacking = projected(member, oracle, ["erm_final", "sequential_fine_tune", "erm_side_tune"])
    assert lacking == ["erm_side_tune"]
    assert list(panels) == ["conv1", "layer1", "fc", "entire model"]
    star, past, few = row(oracle, "erm_final"), row(member, "history"), row(member, "erm_final")
    axes = past - star, few - star
    final, path = panels["entire model"]
    for point, stage in zip(path.points, ("step_1", "step_2", "step_3"), strict=True):
        expected = [(row(member, stage) - star) @ axis / np.linalg.norm(axis) for axis in axes]
        assert point == pytest.approx(expected)
    assert final.points[0][1] == pytest.approx(np.linalg.norm(axes[1]))


def test_changes_are_lengths_of_differences(members):
    panels, lacking = moves(members[1], ["erm_final", "sequential_fine_tune", "erm_side_tune"])
    assert lacking == ["erm_side_tune"]
    (path,) = panels["entire model"]
    rows = [row(members[1], f"step_{number}") for number in (1, 2, 3)]
    expected = [np.linalg.norm(b - a) for a, b in itertools.pairwise(rows)]
    assert [number for number, _ in path.points] == [2.0, 3.0]
    assert [length for _, length in path.points] == pytest.approx(expected)


def test_a_model_is_as_alike_as_can_be_to_itself(members):
    """The member is its own oracle: all correlations of erm_final are 1, and those of another network are not."""
    world = Worlds("cpu").of(members[0])
    seen = []
    panels = alike(members[0], members[0], world, ["erm_final", "erm_side_tune"], mode="fixed", advance=seen.append)
    assert list(panels) == ["conv1", "layer1", "fc", "entire model"]
    for own, side in panels.values():
        assert own.points[0] == pytest.approx((1.0, 1.0), abs=1e-6)
        assert len(side.points) == 2
        assert max(side.points[1]) < 0.999
    assert seen == [30, 30, 30], "a model at a time, on the newest reporting images"


def test_compat_lets_the_images_make_the_statistics(members, oracle):
    world = Worlds("cpu").of(members[0])
    found = {
        mode: alike(members[0], oracle, world, ["erm_fine_tune"], mode=mode, advance=lambda _: None)
        for mode in ("fixed", "compat")
    }
    assert found["fixed"]["layer1"][0].points != found["compat"]["layer1"][0].points


def test_what_is_lacking_is_said(members, oracle):
    with pytest.raises(InputError, match=r"has no network of the past.*train with erm_fine_tune"):
        projected(oracle, oracle, ["erm_final"])
