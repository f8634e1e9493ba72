import importlib.util

import pytest

from modelheir.cli.commands import COMMANDS, TABLE


def test_each_command_stands_in_one_group():
    assert sum(map(len, TABLE.values())) == len(COMMANDS) > 15


@pytest.mark.parametrize("name", COMMANDS)
def test_a_row_names_a_module_that_is_there_and_an_example_of_its_own_command(name):
    command = COMMANDS[name]
    assert importlib.util.find_spec(command.module) is not None
    assert command.example.split()[:2] == ["modelheir", name]
    assert command.summary[0].islower()
    assert not command.summary.endswith(".")
