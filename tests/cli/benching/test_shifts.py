"""The table on screen, and the words that it takes."""

import pytest

from modelheir import cli


def test_a_table_and_where_the_picture_is(tmp_path, capsys):
    words = ["bench", "shifts", "--data", "digits", "--steps", "2", "--out", str(tmp_path / "out"), "--quiet"]
    assert cli.main([*words, "--inputs.train_fraction", "0.3"]) == 0
    said = capsys.readouterr().out
    assert "covariate ratio" in said
    assert "two halves of the first step" in said
    assert f"Picture: {tmp_path / 'out' / 'shifts.svg'} (numbers: shifts.csv)" in said


def test_a_ratio_that_is_not_defined_says_so(tmp_path, capsys):
    """A class that one step lacks has no conditional shift."""
    path = tmp_path / "drift.yaml"
    path.write_text(
        "data: 'synthetic:n=600,classes=4,size=8'\nshifts: subpop\nsizes: [60, 60]\ntest_size: 30\n"
        "groups: {a: ['class0', 'class1'], b: ['class2', 'class3']}\n"
    )
    code = cli.main(["bench", "shifts", "--data", f"sequence:{path}", "--out", str(tmp_path / "out"), "--quiet"])
    assert code in (0, 2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "bench shifts needs one of --data"),
        (["--suite", "quik"], "Did you mean 'quick'?"),
        (["--suite", "quick", "--steps", "3"], "steps = 3 has no effect with suite = 'quick'"),
        (["--data", "sequence:nowhere.yaml"], "there is no such file"),
        (["extra"], "unexpected 'extra'"),
    ],
)
def test_a_mistake_is_one_sentence(words, message, capsys):
    assert cli.main(["bench", "shifts", *words]) == 2
    assert message in capsys.readouterr().err
