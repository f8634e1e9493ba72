"""What runs hold, and the sentences where they hold nothing."""

import dataclasses

import pytest
import yaml

from modelheir.bench.pictures.members import grouped, like, oracle_of, read_members
from modelheir.checks import InputError
from modelheir.runs.folder import RunFolder


def test_cells_and_runs_have_their_names(bench):
    found, lacking = read_members([str(bench)])
    assert [(one.sequence, one.network, one.number, one.cell) for one in found] == [
        ("plenty", "net", 0, 0), ("plenty", "net", 1, 0), ("turned", "net", 0, 0), ("turned", "net", 1, 0),
    ]  # fmt: skip
    assert lacking == []
    assert list(grouped(found)) == [("plenty", "net"), ("turned", "net")]
    cell = bench / "cells" / "turned" / "net" / "seed0"
    alone, _ = read_members([f"run:{cell}"])
    assert [(one.sequence, one.network, one.title) for one in alone] == [
        ("seed0", "blocks_convnet", "seed0, blocks_convnet")
    ] * 2
    pair, _ = read_members([str(cell), str(bench / "cells" / "plenty" / "net" / "seed0")])
    assert len({one.sequence for one in pair}) == 2, "folders of one name are told apart"


def test_what_is_not_finished_is_named(bench, tmp_path):
    cells = tmp_path / "cells" / "a" / "net"
    cells.mkdir(parents=True)
    (cells / "seed0.yaml").write_text("train: adapt\n")
    with pytest.raises(InputError, match=r"no cell of .* is finished"):
        read_members([str(tmp_path)])
    found, lacking = read_members([str(tmp_path), str(bench)])
    assert len(found) == 4
    assert lacking == [str(cells / "seed0")]


@pytest.mark.parametrize(
    ("state", "train", "message"),
    [
        (None, None, "holds neither a run of train adapt nor cells of bench run"),
        ("running", "adapt", r"is not finished \(running\)"),
        ("finished", "finetune", "is a run of train finetune, and pictures are of train adapt"),
        ("finished", "adapt", "is damaged: it has no strategies"),
    ],
)
def test_other_folders_are_refused(tmp_path, state, train, message):
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    if state:
        folder.set_status(state)
        folder.config.write_text(yaml.safe_dump({"train": train}))
        folder.result.write_text("{}")
    with pytest.raises(InputError, match=message):
        read_members([str(folder.path)])


def test_an_oracle_is_a_sequence_or_a_run(bench, members):
    every, _ = read_members([str(bench)])
    held, rest = oracle_of(every, "plenty")
    assert {one.sequence for one in held} == {"plenty"}
    assert {one.sequence for one in rest} == {"turned"}
    assert like(rest[1], held).number == 1
    held, rest = oracle_of(members, str(bench / "cells" / "plenty" / "net" / "seed0"))
    assert rest == members
    with pytest.raises(InputError, match=r"is a blocks_convnet, and .* a net: give one of the same network"):
        like(members[0], held)
    with pytest.raises(InputError, match=r"nor a sequence of that name. Did you mean 'plenty'"):
        oracle_of(every, "plenti")
    with pytest.raises(InputError, match="there is nothing else to make pictures of"):
        oracle_of(members, "turned")


def test_an_oracle_of_a_suite_is_that_of_its_sequence_alone(members):
    names = ("turned", "writers", "turned_oracle")
    every = [dataclasses.replace(members[0], sequence=name) for name in names]
    held, rest = oracle_of(every, "turned_oracle")
    assert [one.sequence for one in (*held, *rest)] == ["turned_oracle", "turned"]
    assert [one.sequence for one in oracle_of(every, "writers")[1]] == ["turned", "turned_oracle"]
    assert [one.sequence for one in oracle_of(every[1:], "turned_oracle")[1]] == ["writers"]


def test_a_strategy_that_was_not_tried_is_said(members):
    with pytest.raises(InputError, match=r"did not try irm_all, and so it is: train with it among --method\.strateg"):
        members[0].end("irm_all", "so it is")
