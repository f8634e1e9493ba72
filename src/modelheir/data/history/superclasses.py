"""Classes made of finer ones: CIFAR-100's 20, and any that a person names.

The order of the five finer classes is the one in which `subpop` moves over them, that of Seq-to-Final.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from modelheir import checks
from modelheir.checks import InputError
from modelheir.data.images import ImageSet

__all__ = ["CIFAR100", "Units", "units_of"]

_CIFAR100 = """
aquatic mammals: otter seal beaver dolphin whale
fish: flatfish trout aquarium_fish ray shark
flowers: poppy tulip rose orchid sunflower
food containers: bottle cup can bowl plate
fruit and vegetables: apple pear orange sweet_pepper mushroom
household electrical devices: clock lamp telephone television keyboard
household furniture: chair couch bed table wardrobe
insects: beetle cockroach bee butterfly caterpillar
large carnivores: leopard tiger lion bear wolf
large man-made outdoor things: road bridge house castle skyscraper
large natural outdoor scenes: plain forest mountain cloud sea
large omnivores and herbivores: camel cattle chimpanzee kangaroo elephant
medium-sized mammals: skunk possum raccoon porcupine fox
non-insect invertebrates: crab lobster spider snail worm
people: man woman boy girl baby
reptiles: lizard snake turtle crocodile dinosaur
small mammals: mouse shrew hamster rabbit squirrel
trees: oak_tree pine_tree maple_tree willow_tree palm_tree
vehicles 1: bicycle motorcycle pickup_truck bus train
vehicles 2: streetcar tractor tank lawn_mower rocket
"""

#: superclass -> its finer classes in the order of `subpop`; names as torchvision has them
CIFAR100: dict[str, tuple[str, ...]] = {
    name: tuple(finer.split()) for name, _, finer in (line.partition(":") for line in _CIFAR100.strip().splitlines())
}


@dataclasses.dataclass(frozen=True, eq=False)
class Units:
    """Which class and finer class each class of a set is."""

    classes: tuple[str, ...]
    finer: int  #: finer classes in each; 1 where there are none
    number: np.ndarray  #: int64 ``(classes of the set,)``: class times ``finer`` plus the place in it; -1 is left out
    names: tuple[str, ...]  #: of units, by number

    def of(self, images: ImageSet) -> np.ndarray:
        """Return the unit of each image, -1 for those left out and the unlabelled."""
        return np.append(self.number, -1)[images.labels]


def units_of(classes: Sequence[str], groups: Mapping[str, Sequence[str]]) -> Units:
    """Find the units of a class list.

    Args:
        classes: Of the set.
        groups: Class -> names in ``classes``, as many for each. Empty: CIFAR-100's superclasses where the list is
            CIFAR-100's, else every class is its own.

    Raises:
        InputError: If groups have several sizes, are fewer than two, or name an unknown class or one class twice.
    """
    if not groups and set(classes) == {name for finer in CIFAR100.values() for name in finer}:
        groups = CIFAR100
    if not groups:
        return Units(tuple(classes), 1, np.arange(len(classes)), tuple(classes))
    sizes = {len(finer) for finer in groups.values()}
    if len(groups) < 2 or len(sizes) > 1 or 0 in sizes:
        raise InputError("groups: name two classes or more, each with as many finer classes as the others.")
    names = tuple(name for finer in groups.values() for name in finer)
    number = np.full(len(classes), -1)
    for unit, name in enumerate(names):
        if name not in classes:
            raise checks.unknown("class in groups", name, classes)
        if number[classes.index(name)] >= 0:
            raise InputError(f"groups: {name!r} is named twice.")
        number[classes.index(name)] = unit
    return Units(tuple(groups), sizes.pop(), number, names)
