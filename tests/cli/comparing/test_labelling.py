import csv
import json

import pytest

from modelheir.cli import main
from modelheir.cli.compare import parser

IDS = [f"{sign}im{i}" for i, sign in enumerate("=+-@abcdef" * 40)]
OLD, NEW = ["cat"] * 400, ["dog"] * 100 + ["cat"] * 300
TRUTH = {one: "cat" if number % 4 == 0 else "dog" for number, one in enumerate(IDS)}  # 25 negative flips, 75 positive


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, said in (("old", OLD), ("new", NEW)):
        rows = "".join(f"{one},,{word}\n" for one, word in zip(IDS, said, strict=True))
        (tmp_path / f"{name}.csv").write_text("sample_id,label,prediction\n" + rows)
    return tmp_path


def run(*words):
    return main(["compare", "old.csv", "new.csv", *words])


def label(place, name="labels.csv"):
    """Fill in what was asked for, the ids as they were written."""
    with (place / "ids.csv").open(newline="") as handle:
        asked = [row["sample_id"] for row in csv.DictReader(handle)]
    rows = "".join(f"{one},{TRUTH[one.removeprefix(chr(39))]}\n" for one in asked)
    (place / name).write_text("sample_id,label\n" + rows)
    return asked


def test_from_the_ids_to_the_verdict(place, capsys):
    assert run("--label-budget", "60", "--ask", "ids.csv") == 0
    said = capsys.readouterr().out
    assert "400 images, 100 disagreements" in said
    assert "ids.csv (60)" in said
    asked = label(place)
    assert len(asked) == 60
    header, first = (place / "ids.csv").read_text().splitlines()[:2]
    assert header == "sample_id,old,new,why"
    assert first.endswith(",cat,dog,the models disagree; draw 1 of 100")
    assert any(one.startswith("'=") for one in asked)  # safe in a spreadsheet, and found again
    words = ("--labels", "labels.csv", "--max-nfr", "0.15", "--min-accuracy-gain", "0", "--json", "out.json")
    assert run(*words) == 0
    said = capsys.readouterr().out
    assert "100 disagreements, 60 of them labelled" in said
    assert "\nSHIP\n" in said
    found = json.loads((place / "out.json").read_text())
    assert (found["n"], found["n_labelled"], found["gate"]["passed"]) == (400, 60, True)
    assert found["old"] == "old.csv"
    assert run("--labels", "labels.csv", "--max-nfr", "0.01") == 1
    assert run("--labels", "labels.csv", "--max-nfr", "0.07") == 3
    assert run("--labels", "labels.csv", "--max-nfr", "0.07", "--undecided", "hold") == 1


def test_a_budget_above_all_disagreements_asks_for_all_and_for_none_twice(place, capsys):
    assert run("--label-budget", "60", "--ask", "ids.csv") == 0
    label(place)
    assert run("--label-budget", "1000", "--ask", "rest.csv", "--labels", "labels.csv") == 0
    said = capsys.readouterr().out
    assert "the budget of 1,000 is above the 100 disagreements: all are in the draw" in said
    assert "60 of the draw have a label already" in said
    assert len((place / "rest.csv").read_text().splitlines()) == 41


def test_early_looks(place, capsys):
    assert run("--label-budget", "100", "--ask", "ids.csv") == 0
    label(place)
    found = []
    for more in ((), ("--sequential",)):
        run("--labels", "labels.csv", "--max-nfr", "0.2", "--json", "out.json", *more)
        found.append(json.loads((place / "out.json").read_text())["intervals"]["nfr"])
    assert found[1][0] < found[0][0] < 25 / 400 < found[0][1] < found[1][1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--label-budget", "0", "--ask", "ids.csv"), "a label budget of 0 asks for nothing"),
        (("--label-budget", "-3", "--ask", "ids.csv"), "a label budget of -3 asks for nothing"),
        (("--label-budget", "5"), "--label-budget N and --ask FILE go together"),
        (("--ask", "ids.csv"), "--label-budget N and --ask FILE go together"),
        (("--ask", "ids.csv", "--label-budget", "5", "--max-nfr", "0.1"), "--ask judges nothing: leave out --max-nfr"),
        (("--ask", "ids.csv", "--label-budget", "5", "--json", "a.json"), "--ask judges nothing: leave out --json"),
        (("--ask", "old.csv", "--label-budget", "5"), "would replace old.csv, which is read"),
        (("--labels", "none.csv"), "none.csv"),
        (("--labels", "full.csv", "--max-ece", "0.1"), "max_ece cannot be judged by labels of disagreements"),
        (("--labels", "full.csv", "--min-kept", "0.1"), "min_kept cannot be judged by labels of disagreements"),
        (("--labels", "full.csv", "--html", "a.html"), "the labels of disagreements alone: leave out --html"),
        (("--labels", "full.csv", "--min-class-count", "3"), "leave out --min-class-count"),
        (("--labels", "full.csv", "--slice", "site"), "slices need the labels of all images"),
        (("--labels", "full.csv", "--json", "full.csv"), "would replace full.csv, which is read"),
    ],
)
def test_what_does_not_go_together(place, capsys, words, said):
    (place / "full.csv").write_text("sample_id,label\n" + "".join(f"{one},{word}\n" for one, word in TRUTH.items()))
    before = sorted(path.name for path in place.iterdir())
    assert run(*words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1
    assert sorted(path.name for path in place.iterdir()) == before


def test_the_flags_are_one_group_of_the_help():
    (group,) = [group for group in parser()._action_groups if "fewer labels" in (group.title or "")]
    assert [action.dest for action in group._group_actions] == ["label_budget", "ask", "labels"]
