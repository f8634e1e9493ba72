import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelheir.assemble.averaging.choosing import choose, verdict


@given(st.lists(st.integers(0, 7), min_size=1, max_size=8))
def test_accuracy_then_flips_then_loss_then_order(numbers):
    rows = [
        {"accuracy": (0.5, 0.6)[n // 4], "nfr": (0.0, 0.1)[n // 2 % 2], "loss": (1.0, 2.0)[n % 2], "number": number}
        for number, n in enumerate(numbers)
    ]
    best = max(row["accuracy"] for row in rows)
    of = [row for row in rows if row["accuracy"] == best]
    fewest = min(row["nfr"] for row in of)
    of = [row for row in of if row["nfr"] == fewest]
    lowest = min(row["loss"] for row in of)
    assert choose(rows) == next(row for row in of if row["loss"] == lowest)


def told(low, high, members=("a", "b")):
    chosen = {"model": "uniform", "members": list(members), "of": 3, "n": 200, "accuracy": 0.9}
    gain = {"accuracy_gain": 0.02, "accuracy_gain_interval": [low, high]}
    return verdict(chosen, {"model": "run:a", "accuracy": 0.88}, gain)


@pytest.mark.parametrize(
    ("interval", "words"),
    [((0.001, 0.04), ", better."), ((-0.01, 0.04), "do not tell from none."), ((-0.04, -0.001), ", worse.")],
)
def test_says_better_only_where_the_interval_leaves_out_zero(interval, words):
    said = told(*interval)
    assert said.endswith(words)
    assert said.startswith(
        "Chosen: uniform (2 of 3 models), right on 90.00% of the 200 selection images. The best alone, run:a, is right "
        "on 88.00%: a gain of +2.00 points ["
    )


def test_says_so_where_no_average_is_better_than_the_best_alone():
    assert told(0, 0, members=("run:a",)) == (
        "No average beats the best model alone there: uniform is run:a itself, right on 90.00% of the 200 selection "
        "images."
    )
