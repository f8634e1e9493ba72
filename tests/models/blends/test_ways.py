import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelheir.checks import InputError
from modelheir.models.blends.sequence_weights import ema_weights, latest_weights, tail_weights, uniform_weights
from modelheir.models.blends.ways import GREEDY, WAYS, Way, fitting_ways, parse_way


def test_each_way_gives_its_own_weights():
    assert parse_way("uniform").weights(7) == uniform_weights(7)
    assert parse_way("swa").weights(8) == tail_weights(8, 0.25)
    assert parse_way("swa:0.7").weights(10) == tail_weights(10, 0.7)
    assert parse_way("lawa:3").weights(7) == latest_weights(7, 3)
    assert parse_way("ema:0.9").weights(7) == ema_weights(7, 0.9)
    assert parse_way("ema:0").weights(3) == (0, 0, 1)


@given(st.sampled_from(["uniform", "swa", "swa:0.5", "lawa:12", "ema:0.25", "greedy", "swa:1", "lawa:1"]))
def test_a_way_is_written_as_it_is_read(text):
    assert str(parse_way(text)) == text
    assert parse_way(f" {text} ") == parse_way(text)


def test_a_usual_number_is_not_written():
    assert str(parse_way("swa:0.25")) == "swa"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gredy", "unknown way 'gredy' to average. Did you mean 'greedy'? Known: auto, uniform, swa"),
        ("", "unknown way ''"),
        ("uniform:3", "uniform takes no number"),
        ("greedy:", "greedy takes no number"),
        ("lawa", "by = 'lawa': write lawa:K, K >= 1"),
        ("lawa:2.5", "write lawa:K"),
        ("lawa:0", "write lawa:K"),
        ("lawa:inf", "write lawa:K"),
        ("lawa:nan", "write lawa:K"),
        ("lawa:three", "write lawa:K"),
        ("ema", "write ema:D, 0 <= D < 1"),
        ("ema:1", "write ema:D"),
        ("ema:-0.1", "write ema:D"),
        ("swa:0", "write swa or swa:S, 0 < S <= 1"),
        ("swa:1.01", "write swa or swa:S"),
        ("swa:", "write swa or swa:S"),
    ],
)
def test_a_way_that_cannot_be_is_refused_in_one_sentence(text, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(").replace("?", r"\?")):
        parse_way(text)


def test_too_few_models_and_weights_that_are_not_known():
    with pytest.raises(InputError, match="lawa:5 averages the 5 newest models, and there are 4"):
        parse_way("lawa:5").weights(4)
    with pytest.raises(ValueError, match="not known before it is tried"):
        Way(GREEDY).weights(3)


@given(st.integers(2, 80))
def test_no_two_ways_that_fit_give_the_same_average_nor_a_model_alone(count):
    found = fitting_ways(count, in_time=True)
    weights = [way.weights(count) for way in found if way.name != GREEDY]
    assert len({tuple(round(one, 6) for one in row) for row in weights}) == len(weights)
    assert all(max(row) < 1 for row in weights)
    assert all(way.weights(count)[0] <= 0.5 for way in found if way.name == "ema")
    assert (str(found[0]), str(found[-1])) == ("uniform", "greedy")
    assert list(map(str, fitting_ways(count, in_time=False))) == ["uniform", "greedy"]


def test_many_snapshots_are_tried_in_every_way():
    assert {way.name for way in fitting_ways(40, in_time=True)} == set(WAYS)
