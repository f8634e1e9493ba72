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
def test_every_method_is_explained(name, capsys):
    assert explain.main([name]) == 0
    out = capsys.readouterr().out
    assert METHODS[name].summary in " ".join(out.split())
    for setting in settings(METHODS[name].config, "method", every=False):
        assert f"--{setting.key}" in out
    root = Path(modelheir.__file__).parents[2]
    files = method_files(name, sys.modules[METHODS[name].plan.__module__])
    sources = [file for file, _ in files if file.startswith("src/")]
    assert sources[0].endswith(f"/{name}.py")
    for file in sources:
        assert (root / file).is_file(), file


def test_a_methods_own_defaults_are_shown(methods, capsys):
    assert explain.main(["careful"], methods) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "Defaults: --fit.epochs 7" in out
    assert "--method.pull.focus 2.0 beta, weight of what was right (a number >= 0)" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [([], "METHOD is missing"), (["a", "b"], "unexpected 'b'"), (["plan"], "Did you mean 'plain'?")],
)
def test_mistakes(words, said, methods):
    with pytest.raises(InputError) as error:
        explain.main(words, methods)
    assert said in str(error.value)
