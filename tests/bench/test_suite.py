"""Suites: what is crossed, what wins, and what is refused before the first cell."""

import pytest
import yaml

from modelheir.bench.suite import SUITES, read_suite
from modelheir.checks import InputError

GIVEN = {
    "settings": {"data": "digits", "fit": {"epochs": 2}, "method": {"strategies": ["erm_all"], "steps": 4}},
    "sequences": {"few": {"method": {"steps": 3}}, "more": None},
    "architectures": {"small": {"model": "mlp", "fit": {"epochs": 5}}},
    "seeds": [3, 4],
}


@pytest.fixture
def written(tmp_path):
    def write(**changes):
        path = tmp_path / "suite.yaml"
        path.write_text(yaml.safe_dump({**GIVEN, **changes}))
        return str(path)

    return write


def test_every_sequence_meets_every_network_seed_by_seed(written):
    cells = read_suite(written())
    assert [cell.name for cell in cells] == [
        "few/small/seed3", "more/small/seed3", "few/small/seed4", "more/small/seed4",
    ]  # fmt: skip


def test_a_sequence_and_a_network_win_over_what_is_shared(written):
    few, more, *_ = read_suite(written())
    assert few.settings["method.steps"] == 3
    assert more.settings["method.steps"] == 4
    assert few.settings["fit.epochs"] == 5
    assert (few.settings["seed"], few.settings["method.seeds"]) == (3, 1)


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_of_the_package_is_whole(name):
    cells = read_suite(name)
    assert len({cell.name for cell in cells}) == len(cells) > 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sequence": {}}, r"unknown part 'sequence'\. Did you mean 'sequences'"),
        ({"architectures": {}}, "architectures needs at least one name"),
        ({"sequences": {"../up": {}}}, r"'\.\./up' is a folder's name too"),
        ({"seeds": [1, 1]}, r"seeds = \[1, 1\]: must be a list of different numbers"),
        ({"seeds": [-1]}, r"seeds = \[-1\]: must be whole numbers, at least 0"),
        ({"seeds": 3}, "seeds = 3: must be a list"),
        ({"settings": {"fit": {"epoch": 2}}}, r"settings: unknown setting 'epoch' in fit\. Did you mean 'epochs'"),
        ({"settings": {"method": {"strategies": ["erm_al"]}}}, "erm_al"),
        ({"settings": {"out": "runs/x"}}, "out is the suite's to choose"),
        ({"sequences": {"a": {"sequence": {"data": "digits", "seed": 3}}}}, "sequences: a: sequence must hold data"),
        ({"sequences": {"a": {"data": "digits", "sequence": {"shifts": "rotation"}}}}, "stands in the place of data"),
        ({"settings": [1]}, r"settings: must be settings with their values, got \[1\]"),
    ],
)
def test_a_mistake_is_named(written, changes, message):
    with pytest.raises(InputError, match=message):
        read_suite(written(**changes))


def test_an_unknown_suite_is_answered_with_the_nearest():
    with pytest.raises(InputError, match=r"--suite quik: there is no such file.*Did you mean 'quick'"):
        read_suite("quik")
