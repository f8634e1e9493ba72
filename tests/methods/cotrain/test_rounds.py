"""Rounds: what is handed over, by whom, for how long; where a round begins, and when the rounds are over."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from torch.nn.functional import cross_entropy

from modelheir.checks import InputError
from modelheir.methods.cotrain.rounds import rounds


def first_round(make_build, finished, **settings):
    """Return pieces of a seed and the first round's task, after heads that were not trained."""
    build = make_build(algorithms=("cotrain",), **settings)
    rounds(build)
    heads = build.heads()
    return build, heads, build.stages["round_1"].prepare({"supervised": finished(build, heads)})


def told(task):
    return task.describe["cotraining"]


def test_a_view_is_taught_what_the_other_says_of_what_it_is_surest_of(make_build, finished):
    """By NumPy: top_k of two views is the other view's surest rows; a row with two labels leaves both lists."""
    build, heads, task = first_round(make_build, finished, exchange__rule="top_k", exchange__share=0.2, calibrate=False)
    each = [softmax(one.astype(np.float64), 1) for one in build.logits(heads, build.pool)]
    count = int(0.2 * len(build.pool))
    lists = [np.argsort(-other.max(1), kind="stable")[:count] for other in reversed(each)]
    labels = [other.argmax(1)[rows] for other, rows in zip(reversed(each), lists, strict=True)]
    pairs = [dict(zip(rows.tolist(), given.tolist(), strict=True)) for rows, given in zip(lists, labels, strict=True)]
    against = {row for row in set(pairs[0]) & set(pairs[1]) if pairs[0][row] != pairs[1][row]}
    for found, expected in zip(told(task)["taught"], pairs, strict=True):
        kept = {row: label for row, label in expected.items() if row not in against}
        assert dict(zip(found["rows"], found["labels"], strict=True)) == kept
    assert told(task)["conflicts"] == len(against)
    assert told(task)["temperatures"] == [1.0, 1.0]


def test_each_view_learns_from_the_labels_and_what_it_was_taught(make_build, finished):
    build, _, task = first_round(make_build, finished)
    for (name, stream), taught in zip(task.streams.items(), told(task)["taught"], strict=True):
        assert name in build.names
        assert stream.ids.tolist() == [*build.labelled.ids, *build.pool.ids[taught["rows"]]]
        assert stream.labels.tolist() == [*build.labelled.labels, *taught["labels"]]


def test_temperatures_are_those_that_fit_the_selection_images(make_build, finished):
    build, heads, task = first_round(make_build, finished)
    val = build.views.sets["val"]
    for value, logits in zip(told(task)["temperatures"], build.logits(heads, val), strict=True):

        def loss(log, logits=logits):
            said = log_softmax(logits.astype(np.float64) / np.exp(log), 1)
            return -said[np.arange(len(val)), val.labels].mean()

        best = minimize_scalar(loss, bounds=(-6, 12), method="bounded").fun
        assert loss(np.log(value)) == pytest.approx(best, abs=1e-3)


@pytest.mark.parametrize("anew", [True, False])
def test_heads_are_drawn_anew_or_go_on(make_build, finished, anew):
    build, heads, task = first_round(make_build, finished, rounds__from_scratch=anew)
    found, expected = task.modules["model"].heads, build.heads(1) if anew else heads
    for name, head in expected.items():
        assert all(torch.equal(found[name].state_dict()[key], value) for key, value in head.state_dict().items())


def test_a_round_takes_over_what_was_taught_unless_it_is_derived_anew(make_build, finished):
    for anew in (False, True):
        build = make_build(
            algorithms=("cotrain",), exchange__rule="top_k", exchange__share=0.1, exchange__rederive=anew
        )
        rounds(build)
        done = {"supervised": finished(build, build.heads())}
        task = build.stages["round_1"].prepare(done)
        first = [set(one["rows"]) for one in told(task)["taught"]]
        done["round_1"] = finished(build, build.heads(5), cotraining=told(task))
        following = build.stages["round_2"].prepare(done)
        second = [set(one["rows"]) for one in told(following)["taught"]]
        gone = set.union(*first)
        assert told(following)["pool"] == len(build.pool) - (0 if anew else len(gone))
        if not anew:
            assert all(before < now for before, now in zip(first, second, strict=True))
            assert all(not (now - before) & gone for before, now in zip(first, second, strict=True))
        else:
            assert all(len(now) <= 2 * (len(build.pool) // 10) for now in second)
            assert not all(before <= now for before, now in zip(first, second, strict=True))


def test_weights_of_classes_reach_the_loss(make_build, finished):
    build, _, task = first_round(make_build, finished, rounds__class_weights=True, labels="0.5")
    counts = np.bincount(build.labelled.labels, minlength=3)
    weights = torch.tensor(-np.log(counts / (2 * counts.sum())), dtype=torch.float32)
    batches = {name: next(iter(stream.epoch(0))) for name, stream in task.streams.items()}
    terms = task.objective(batches, None).terms
    for place, (name, batch) in enumerate(batches.items()):
        said = task.modules["model"].heads[name](batch.inputs[place]).logits
        torch.testing.assert_close(terms[name], cross_entropy(said, batch.labels, weight=weights))


def test_rounds_after_the_last_in_which_something_is_taught_are_skipped(world, few, plain):
    """All of the pool in the first round, but for rows with two labels: then there is less and less, and nothing."""
    done = few(
        world.run,
        "run",
        given=plain,
        algorithms=("cotrain",),
        exchange__rule="top_k",
        exchange__share=1.0,
        exchange__rederive=False,
        rounds__number=12,
    )
    skipped = [one.skipped for name, one in done.items() if name.startswith("round_")]
    assert not skipped[0]
    assert skipped[-1]
    assert skipped == sorted(skipped)  # none after one that was
    assert not done["choice"].skipped
    assert set(done["choice"].describe["rows"]) == {"algorithm/cotrain"}


@pytest.mark.parametrize("when", [0.3, 0.6, 0.9])
def test_rounds_go_on_where_they_were_stopped(world, few, plain, rows, when):
    settings = {"algorithms": ("cotrain",), "rounds__number": 3, "exchange__rederive": False}
    log = rows()
    whole = few(world.run, "whole", given=plain, log=log, **settings)
    stop = int(when * sum(row["steps"] for row in log))
    with pytest.raises(KeyboardInterrupt):
        few(world.run, "parts", given=plain, stop_after=stop, **settings)
    parts = few(world.run, "parts", given=plain, **settings)
    for name, result in whole.items():
        ours, theirs = result.weights("model"), parts[name].weights("model")
        assert all(torch.equal(ours[key], theirs[key]) for key in ours), name
        assert result.describe == parts[name].describe, name


def test_a_first_round_in_which_nothing_is_taught_is_refused(make_build, finished):
    with pytest.raises(InputError, match=r"no view hands over a label in the first round.*rule = 'threshold'"):
        first_round(make_build, finished, exchange__rule="threshold", exchange__threshold=1.0)


def test_three_views_teach_each_other(make_build, finished):
    _, _, task = first_round(make_build, finished, views=("pixels:left", "pixels:right", "pixels:top"))
    assert list(task.streams) == ["view_1", "view_2", "view_3"]
    assert all(one["rows"] for one in told(task)["taught"])
