import numpy as np
import pytest

from modelheir.cli import main
from modelheir.runs.predictions import members_of, read_predictions, write_predictions
from modelheir.types import Predictions

N, C = 30, 4


@pytest.fixture
def files(tmp_path):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        logits = rng.normal(size=(N, C)).astype(np.float32)
        found = Predictions(np.arange(N).astype(str), np.arange(N) % C, logits.argmax(1), logits)
        write_predictions(tmp_path / f"s{seed}.parquet", found)
    return tmp_path


def run(files, *words):
    return main(["ensemble", *(str(files / word) if word.endswith(".parquet") else word for word in words)])


def test_ensembles_of_ensembles_weigh_by_their_members(files, capsys):
    assert run(files, "two.parquet", "s0.parquet", "s1.parquet") == 0
    assert "models in it" in capsys.readouterr().out
    assert members_of(files / "two.parquet") == 2
    assert run(files, "three.parquet", "two.parquet", "s2.parquet") == 0
    assert members_of(files / "three.parquet") == 3
    expected = np.mean([read_predictions(files / f"s{seed}.parquet").logits for seed in range(3)], axis=0)
    np.testing.assert_allclose(read_predictions(files / "three.parquet").logits, expected, atol=1e-6)


def test_probabilities_and_weights(files, capsys):
    assert run(files, "p.parquet", "s0.parquet", "s1.parquet", "--by", "probabilities", "--weights", "3", "1") == 0
    assert "0.750" in capsys.readouterr().out
    assert members_of(files / "p.parquet") == 2
    found = read_predictions(files / "p.parquet")
    assert found.logits is None
    np.testing.assert_allclose(found.probabilities.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("out.csv", "s0.parquet"), "must end in .parquet"),
        (("o.parquet", "s0.parquet", "--weights", "1", "2"), "2 weights for 1 sources"),
        (("o.parquet", "s0.parquet", "--weights", "0"), "not all 0"),
        (("o.parquet", "gone.parquet"), "does not exist"),
        (("s0.parquet", "s0.parquet", "s1.parquet"), "s0.parquet, which is read: choose another name"),
        (("o.parquet", "s0.parquet", "--by", "logit"), "invalid choice"),
    ],
)
def test_bad_input(files, capsys, words, error):
    assert run(files, *words) == 2
    assert error in capsys.readouterr().err
    assert not (files / "o.parquet").exists()
