import dataclasses

import numpy as np
import pytest

from modelheir.checks import InputError
from modelheir.data.history.superclasses import CIFAR100, units_of


def test_cifar100_has_20_superclasses_of_5():
    assert len(CIFAR100) == 20
    assert {len(finer) for finer in CIFAR100.values()} == {5}
    names = [name for finer in CIFAR100.values() for name in finer]
    assert len(set(names)) == 100
    order = list(CIFAR100)
    assert order[0] == "aquatic mammals"
    assert CIFAR100["aquatic mammals"] == ("otter", "seal", "beaver", "dolphin", "whale")
    assert CIFAR100["fish"] == ("flatfish", "trout", "aquarium_fish", "ray", "shark")
    assert CIFAR100[order[9]] == ("road", "bridge", "house", "castle", "skyscraper")
    assert CIFAR100[order[17]] == ("oak_tree", "pine_tree", "maple_tree", "willow_tree", "palm_tree")
    assert CIFAR100[order[19]] == ("streetcar", "tractor", "tank", "lawn_mower", "rocket")


def test_superclasses_are_in_the_order_of_cifar100_s_own_file():
    """Its coarse label of the fine classes in alphabetical order, as the data set has them."""
    coarse = (
        "4 1 14 8 0 6 7 7 18 3 3 14 9 18 7 11 3 9 7 11 6 11 5 10 7 6 13 15 3 15 0 11 1 10 12 14 16 9 11 5 5 19 8 8 15 "
        "13 14 17 18 10 16 4 17 4 2 0 17 4 18 17 10 3 2 12 12 16 12 1 9 19 2 10 0 1 16 12 9 13 15 13 16 19 2 4 6 19 5 "
        "5 8 19 18 1 2 15 6 0 17 8 14 13"
    )
    names = sorted(name for finer in CIFAR100.values() for name in finer)
    place = {name: number for number, finer in enumerate(CIFAR100.values()) for name in finer}
    assert [place[name] for name in names] == [int(number) for number in coarse.split()]


def test_units_of_cifar100_are_found_by_its_names():
    names = sorted(name for finer in CIFAR100.values() for name in finer)
    units = units_of(names, {})
    assert (len(units.classes), units.finer) == (20, 5)
    assert units.number[names.index("whale")] == 4
    assert units.number[names.index("tractor")] == 19 * 5 + 1
    assert units.names[6] == "trout"


def test_every_class_is_its_own_unit_otherwise(make_images):
    units = units_of(("c0", "c1", "c2"), {})
    assert (units.classes, units.finer, units.number.tolist()) == (("c0", "c1", "c2"), 1, [0, 1, 2])
    images = make_images(n=4)
    assert units.of(dataclasses.replace(images, labels=np.array([2, -1, 0, 1]))).tolist() == [2, -1, 0, 1]


def test_groups_of_one_s_own(make_images):
    units = units_of(("c0", "c1", "c2", "c3", "c4"), {"odd": ("c3", "c1"), "even": ("c0", "c4")})
    assert (units.classes, units.finer) == (("odd", "even"), 2)
    assert units.number.tolist() == [2, 1, -1, 0, 3]
    assert units.names == ("c3", "c1", "c0", "c4")
    assert units.of(make_images(n=6, classes=5)).tolist() == [2, 1, -1, 0, 3, 2]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"a": ("c0",)}, "two classes or more"),
        ({"a": ("c0", "c1"), "b": ("c2",)}, "as many finer classes"),
        ({"a": (), "b": ()}, "two classes or more"),
        ({"a": ("c0",), "b": ("c9",)}, "unknown class in groups 'c9'"),
        ({"a": ("c0",), "b": ("c0",)}, "'c0' is named twice"),
    ],
)
def test_groups_that_do_not_fit(groups, message):
    with pytest.raises(InputError, match=message):
        units_of(("c0", "c1", "c2"), groups)
