"""The table of algorithms: the names that can be asked for, and the stages of each."""

import pytest

from modelheir.methods.cotrain.algorithms import ALGORITHMS
from modelheir.methods.cotrain.names import ABOUT

STAGES = {
    "supervised": ["supervised"],
    "concatenated": ["concatenated"],
    "logistic": ["logistic"],
    "svm": ["svm"],
    "label_spreading": ["label_spreading"],
    "pseudo_label": ["supervised", "pseudo_label"],
    "consistency": ["consistency"],
    "cotrain": ["supervised", "round_1", "round_2"],
    "mct": ["supervised", "mct"],
    "mpl": ["concatenated", "mpl", "mpl_tuned"],
}


def test_every_name_has_its_stages():
    assert list(ALGORITHMS) == list(ABOUT) == list(STAGES)


@pytest.mark.parametrize("name", STAGES)
def test_stages_of_each(make_build, name):
    build = make_build(rounds__number=2)
    node = ALGORITHMS[name](build)
    assert list(build.stages) == STAGES[name]
    assert set(node) <= set(build.stages)
    ours = {"cotrain": ("round_1", "round_2"), "mpl": ("mpl", "mpl_tuned")}
    assert node == ours.get(name, (name,))  # the heads before do not stand for it


def test_what_two_algorithms_begin_from_is_trained_once(make_build):
    build = make_build(rounds__number=1)
    for name in ("mct", "supervised", "cotrain", "pseudo_label"):
        ALGORITHMS[name](build)
    assert list(build.stages) == ["supervised", "mct", "round_1", "pseudo_label"]
