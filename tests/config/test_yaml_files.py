"""Files of settings that are not what they seem: a sentence with the file and the line, in little time and memory."""

import pytest

from modelheir.checks import InputError
from modelheir.config.mapping import from_mapping, read_yaml
from modelheir.config.run import TrainConfig

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{k + 1}: &a{k + 1} [{', '.join([f'*a{k}'] * 9)}]\n" for k in range(30)
)
MERGES = "a0: &a0 {k: 1}\n" + "".join(f"a{k + 1}: &a{k + 1} {{<<: [{', '.join([f'*a{k}'] * 9)}]}}\n" for k in range(30))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epochs: 1\n3: 4\n", "line 2: a key must be text, got '3'"),
        ("? [a, b]\n: 4\n", "line 1: a key must be text, got a list or mapping"),
        ("fit:\n  2020-01-01: 4\n", "line 2: a key must be text, got '2020-01-01'"),
        ("fit:\n  ~: 4\n", "line 2: a key must be text, got '~'"),
        ("out: 2023-13-45\n", "line 1: '2023-13-45' is no date"),
        ("seed: !!int abc\n", "line 1: 'abc' is no whole number"),
        ("lr: !!float abc\n", "line 1: 'abc' is no number"),
        ("a: !!bool abc\n", "line 1: 'abc' is no true or false"),
        ("a: !!timestamp abc\n", "line 1: 'abc' is no date"),
        ("a: &a [*a]\n", "line 1: an anchor is repeated within itself"),
        ("a: &a {b: *a}\n", "line 1: an anchor is repeated within itself"),
        (BOMB, "more than 10,000 values, with those that anchors repeat"),
        (MERGES, "more than 10,000 values, with those that anchors repeat"),
        ("a: " + "[" * 100_000, "line 1: settings are nested more than 50 deep"),
        ("a: " + "{a: " * 100_000, "line 1: settings are nested more than 50 deep"),
        ("seed: " + "9" * 5000 + "\n", r"line 1: '9+\.\.\.9+ \(5,000 characters\)' is no whole number"),
        ("seed: 0x" + "f" * 100_000 + "\n", "is too large a whole number"),
        ("seed: 1" + "0" * 19 + "\n", "line 1: 1" + "0" * 19 + " is too large a whole number"),
        ("a: " + "x" * 2_000_000, "is larger than 1,024 KiB"),
    ],
    ids=lambda text: text[:20],
)
def test_a_sentence_with_the_line(text, said, tmp_path):
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(InputError, match=said) as error:
        read_yaml(tmp_path / "s.yaml")
    assert str(error.value).startswith(f"{tmp_path / 's.yaml'}")
    assert len(str(error.value)) < 500


def test_what_stays_allowed(tmp_path):
    text = "base: &b {lr: 1e-3, seed: 9223372036854775807}\nfit: {<<: *b, lr: 0.5}\nsame: [*b, *b]\n"
    (tmp_path / "s.yaml").write_text(text)
    base = {"lr": 0.001, "seed": 2**63 - 1}
    assert read_yaml(tmp_path / "s.yaml") == {"base": base, "fit": {**base, "lr": 0.5}, "same": [base, base]}


def test_endless_files_are_not_read_whole():
    with pytest.raises(InputError, match="larger than"):
        read_yaml("/dev/zero")


@pytest.mark.parametrize("value", [10**400, -(10**400)])
def test_whole_numbers_that_no_float_holds(value):
    with pytest.raises(InputError, match="must be a number"):
        from_mapping(TrainConfig, {"fit.lr": value})
