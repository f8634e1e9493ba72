"""``methods``: every situation with its method."""

import pytest

from modelheir.checks import InputError
from modelheir.cli import methods
from modelheir.methods import METHODS


def test_every_method_is_in_the_table(capsys):
    assert methods.main([]) == 0
    out = capsys.readouterr().out
    for method in METHODS.values():
        assert f" {method.name} " in out
        assert method.situation.split()[0] in out


def test_words_are_refused():
    with pytest.raises(InputError, match="modelheir explain upgrade"):
        methods.main(["upgrade"])
