"""Suites: what is crossed, what wins, and what is refused before the first cell."""

import dataclasses
import json

import pytest
import yaml

from modelheir.bench.suite import SUITES, read_suite
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data import open_splits
from modelheir.data.history.published import PUBLISHED, oracle

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


def test_the_quick_suite_has_a_strategy_of_every_class():
    cells = {cell.name: cell.settings["method.strategies"] for cell in read_suite("quick")}
    (names,) = {own for name, own in cells.items() if "_oracle" not in name}
    classes = {
        *("joint_model", "side_tune", "low_rank", "surgical", "gradual", "irm", "dro", "coral", "l2_", "ewc"),
        *("replay", "average", "wise_ft", "decay", "linear_probe", "erm_final", "erm_all"),
    }
    assert {one for one in classes if not any(one in name for name in names)} == set()
    assert {cell.seed for cell in read_suite("quick")} == {0, 1}
    assert cells["turned_oracle/Conv-2/seed0"] == ("erm_final",)


def test_the_digits_have_as_many_images_as_the_quick_suite_asks_for(tmp_path):
    sequences = {cell.sequence: cell.history for cell in read_suite("quick") if cell.history}
    assert len(sequences) == 2
    for name, history in sequences.items():
        file = tmp_path / f"{name}.yaml"
        file.write_text(json.dumps(history))
        for seed in (1007, 1008):
            found = open_splits(f"sequence:{file},seed={seed}", InputConfig())
            assert len(found["train"]) + len(found["val"]) == sum(history["sizes"])


@pytest.mark.parametrize("mode", ["published", "compat"])
def test_the_published_suites_have_the_paper_s_sequences_networks_and_oracles(mode):
    cells = read_suite(mode)
    assert {cell.architecture for cell in cells} == {
        f"{one}-{n}" for one in ("Conv", "Dense", "Res") for n in range(1, 5)
    }
    for name in ("CLR", "RCL", "rrr", "TTT", "sss"):
        data, config = PUBLISHED[name]
        config = dataclasses.replace(config, mode="compat" if mode == "compat" else "fixed")
        for about, wanted in ((name, config), (f"{name}_oracle", oracle(config))):
            histories = [cell.history for cell in cells if cell.sequence == about]
            assert len(histories) == 12 * 3
            history = {"mode": "fixed", **histories[0], "sizes": tuple(histories[0]["sizes"])}
            assert history == {
                "data": data, "shifts": wanted.shifts, "sizes": tuple(wanted.sizes), "test_size": wanted.test_size,
                "mode": wanted.mode,
            }  # fmt: skip


def test_an_oracle_trains_on_the_newest_step_alone(written):
    drawn = {"data": "digits", "shifts": "rotation", "sizes": [500, 100], "test_size": 200}
    own = {"sequence": drawn, "oracle": 300}
    method = {"strategies": ["erm_all", "joint_model"], "joint": {"adjacent_weights": [0.5]}, "rates": [1.0, 0.3]}
    cells = read_suite(written(sequences={"turned": own}, settings={"method": method}, seeds=[3]))
    plain, best = cells
    assert [cell.sequence for cell in cells] == ["turned", "turned_oracle"]
    assert (plain.history, best.history) == (drawn, {**drawn, "sizes": [500, 300]})
    assert plain.settings["method.strategies"] == ("erm_all", "joint_model")
    assert best.settings["method.strategies"] == ("erm_final",)
    assert best.settings["model"] == plain.settings["model"]
    assert not any(key.startswith("method.joint") for key in best.settings)


FEW = {"sequence": {"sizes": [5, 4]}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sequences": {"a": {"data": "digits", "oracle": 9}}}, "a: oracle needs a sequence with sizes"),
        (
            {"sequences": {"a": {**FEW, "oracle": 4}}},
            "oracle = 4: must be a number of images above 4",
        ),
        (
            {"sequences": {"a": {**FEW, "oracle": 9}, "a_oracle": {}}},
            "a_oracle is the name of the oracle",
        ),
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
