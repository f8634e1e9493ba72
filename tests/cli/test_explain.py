"""``explain``: paper, files that exist, settings with limits."""

import sys
from pathlib import Path

import pytest

import modelheir
from modelheir.assemble.explain import method_files
from modelheir.checks import InputError
from modelheir.cli import explain
from modelheir.config.describe import settings
from modelheir.methods import METHODS


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_explained_on_one_screen(name, monkeypatch, capsys):
    """A screen of 100 columns and 50 lines, two of them for the command and the prompt after it."""
    monkeypatch.setenv("COLUMNS", "100")
    assert explain.main([name]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) <= 48
    assert max(map(len, out.splitlines())) <= 100
    assert METHODS[name].summary in " ".join(out.split())
    shown = [line.split()[:2] for line in out.partition("\nSettings")[2].splitlines()[1:]]
    keys = [one.key for one in settings(METHODS[name].config, every=False)]
    groups = {key.removesuffix("*"): int(count) for key, count in shown if key.endswith(".*")}
    assert {group: sum(key.startswith(group) for key in keys) for group in groups} == groups
    alone = [key for key in keys if not key.startswith(tuple(groups))]
    assert sorted(key for key, _ in shown if not key.endswith(".*")) == sorted(alone)
    assert bool(groups) == (len(keys) > 30)


@pytest.mark.parametrize("name", METHODS)
def test_its_files_exist(name):
    root = Path(modelheir.__file__).parents[2]
    files = method_files(name, sys.modules[METHODS[name].plan.__module__])
    assert files[0][0].endswith(f"/{name}.py")
    for file, about in files:
        assert (root / file).exists(), file
        assert about


def test_a_methods_own_defaults_are_shown(methods, capsys):
    assert explain.main(["careful"], methods) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "Defaults: --fit.epochs 7" in out
    assert " pull.focus 2.0 beta, weight of what was right" in out


def test_what_does_not_fit_is_cut_at_a_word(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    assert explain.main(["upgrade"]) == 0
    assert "\n  pull.mix_alpha    -1.0         share a of (1 - a) task...\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [([], "METHOD is missing"), (["a", "b"], "unexpected 'b'"), (["plan"], "Did you mean 'plain'?")],
)
def test_mistakes(words, said, methods):
    with pytest.raises(InputError) as error:
        explain.main(words, methods)
    assert said in str(error.value)
