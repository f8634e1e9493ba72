import dataclasses

import pytest

from modelheir.data.history.published import PUBLISHED, oracle
from modelheir.data.shifts.grammar import accumulate, parse_shifts


def test_the_papers_sequences_are_all_there():
    assert list(PUBLISHED) == ["CLR", "RCL", "rrr", "TTT", "sss", *(f"R{steps}" for steps in range(2, 9))]
    assert {data for data, _ in PUBLISHED.values()} == {"cifar10", "cifar100"}


@pytest.mark.parametrize("name", PUBLISHED)
def test_sizes_fit_the_steps(name):
    _, config = PUBLISHED[name]
    assert len(config.sizes) == len(accumulate(parse_shifts(config.shifts)))
    assert (sum(config.sizes[:-1]), config.sizes[-1], config.test_size) == (16_000, 4000, 5000)


@pytest.mark.parametrize("steps", range(2, 9))
def test_rotations_end_at_30_degrees_a_step(steps):
    config = PUBLISHED[f"R{steps}"][1]
    assert len(config.sizes) == steps
    assert accumulate(parse_shifts(config.shifts))[-1] == {"rotation": 30.0 * (steps - 1)}


def test_the_oracle_has_more_of_the_newest_step_alone():
    _, config = PUBLISHED["RCL"]
    assert oracle(config) == dataclasses.replace(config, sizes=(6000, 4000, 6000, 20_000))
    _, config = PUBLISHED["sss"]
    assert oracle(config).sizes[-1] == 19_960
    assert oracle(dataclasses.replace(config, mode="compat")).sizes[-1] == 20_000
