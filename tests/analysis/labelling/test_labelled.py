import dataclasses
import json

import numpy as np
import pytest

from modelheir.analysis.compare import compare
from modelheir.analysis.gate.bounds import Bounds, GateConfig
from modelheir.analysis.labelling.draw import worth_labelling
from modelheir.analysis.labelling.labelled import compare_labelled
from modelheir.checks import InputError
from modelheir.metrics.statistics.intervals import exact
from modelheir.metrics.statistics.sequential import sequence
from modelheir.runs.files import to_json

COUNTS = (700, 30, 60, 100, 110)  # NFR 3 % of 1,000 images, 200 disagreements


def draw_of(old, new, budget):
    return [question.sample_id for question in worth_labelling(old, new, budget=budget).asked]


def some(labels, ids):
    keep = np.isin(labels[0], ids)
    return labels[0][keep], labels[1][keep]


@pytest.mark.parametrize("bound", [0.01, 0.0250, 0.03, 0.0401, 0.0402, 0.06])
def test_labels_of_all_disagreements_give_the_verdict_of_all_labels(world, bound):
    old, new, labels = world(COUNTS)
    every = [dataclasses.replace(one, label=np.zeros(1000, np.int64)) for one in (old, new)]
    for more in ({}, {"point": True}, {"sequential": True}, {"undecided": "hold"}):
        gate = GateConfig(max_nfr=bound, min_accuracy_gain=0.0, max_churn=0.19, **more)
        full = compare(*every, gate=gate)
        found = compare_labelled(old, new, some(labels, draw_of(old, new, 200)), gate=gate)
        assert found.gate.verdict == full.gate.verdict
        assert found.gate.exit_code == full.gate.exit_code
        for mine, theirs in zip(found.gate.checks, full.gate.checks, strict=True):
            assert (mine.verdict, mine.value) == (theirs.verdict, pytest.approx(theirs.value))
            assert mine.interval == pytest.approx(
                theirs.interval, abs=1e-4 if mine.name == "min_accuracy_gain" else 1e-12
            )
    assert found.nfr.value == full.rates.nfr.value == 0.03
    assert set(found.negative) == set(full.flips.negative)
    assert set(found.positive) == set(full.flips.positive)


def test_some_labels_count_from_the_first_of_the_draw(world):
    old, new, labels = world(COUNTS)
    draw = draw_of(old, new, 200)
    found = compare_labelled(old, new, some(labels, draw[:80]), gate=GateConfig(max_nfr=0.2))
    full = compare_labelled(old, new, labels)
    lost = sum(one in full.negative for one in draw[:80])
    assert (found.n, found.n_disagreeing, found.n_labelled) == (1000, 200, 80)
    assert found.nfr.value == pytest.approx(lost / 80 * 0.2)
    assert set(found.negative) == {one for one in draw[:80] if one in full.negative}
    assert found.gate.verdict == "ship"
    assert any("80 of the 200 disagreements" in note for note in found.gate.notes)
    looks = compare_labelled(old, new, some(labels, draw[:80]), gate=GateConfig(max_nfr=0.2, sequential=True))
    covered = np.flatnonzero(np.isin(sorted(old.sample_id, key=hashed), [draw[80]]))[0]
    assert looks.nfr.interval == pytest.approx(sequence(lost, covered))
    assert any("hold at all looks together" in note for note in looks.gate.notes)


def hashed(one):
    import hashlib

    return hashlib.blake2b(one.encode(), digest_size=7).digest()


def test_labels_that_are_no_draw_by_chance_do_not_count_and_are_named(world):
    old, new, labels = world(COUNTS)
    draw = draw_of(old, new, 200)
    agree = [one for one in old.sample_id.tolist() if one not in draw][:7]
    found = compare_labelled(old, new, some(labels, [*draw[:50], *draw[60:75], *agree]))
    assert (found.n_labelled, found.n_left_out, found.n_agreeing) == (50, 15, 7)
    notes = " ".join(found.gate.notes)
    assert "15 labels lie behind the first disagreement" in notes
    assert "7 labels are of images on which the models agree" in notes
    same = compare_labelled(old, new, some(labels, draw[:50]))
    assert found.nfr == same.nfr
    assert len(same.gate.notes) == 1


def test_labels_in_the_predictions_count_too(world):
    old, new, labels = world(COUNTS)
    draw = draw_of(old, new, 200)
    filled = world(COUNTS, labelled=draw[:30])[:2]
    one = dataclasses.replace(filled[1], label=np.full(1000, -1))  # one file alone may have them
    for pair in (filled, (filled[0], one)):
        assert compare_labelled(*pair).n_labelled == 30
        assert compare_labelled(*pair, some(labels, draw[30:40])).n_labelled == 40


def test_too_few_labels_say_how_many_more_and_when_images_are_wanted(world):
    old, new, labels = world(COUNTS)
    draw = draw_of(old, new, 200)
    found = compare_labelled(old, new, some(labels, draw[:40]), gate=GateConfig(max_nfr=0.055))
    (check,) = found.gate.checks
    if check.verdict != "ship":
        assert "more labels would decide" in check.sentence
    close = compare_labelled(old, new, some(labels, draw[:40]), gate=GateConfig(max_nfr=0.031))
    assert close.gate.exit_code == 3
    assert close.gate.checks[0].needed > 160
    assert any("hold too few labels for max_nfr" in note for note in close.gate.notes)
    full = compare_labelled(old, new, labels, gate=GateConfig(max_nfr=0.031))
    assert "more images would decide" in full.gate.checks[0].sentence


def test_models_that_agree_everywhere_need_no_label(world):
    old, new, _ = world((40, 0, 0, 10, 0))
    found = compare_labelled(old, new, gate=GateConfig(max_nfr=0.08))
    assert found.nfr.interval == pytest.approx(exact(0, 50))
    assert found.gate.verdict == "ship"
    assert compare_labelled(old, new, gate=GateConfig(max_nfr=0.001)).gate.exit_code == 3


@pytest.mark.parametrize("name", ["max_class_nfr", "max_slice_nfr", "min_kept", "max_ece"])
def test_bounds_that_need_all_labels_say_so(world, name):
    old, new, labels = world(COUNTS)
    for gate in (GateConfig(**{name: 0.5}), GateConfig(max_nfr=0.1, advisory=Bounds(**{name: 0.5}))):
        with pytest.raises(InputError, match=f"^{name} cannot be judged by labels of disagreements"):
            compare_labelled(old, new, labels, gate=gate)


def test_advice_is_told_and_decides_nothing(world):
    old, new, labels = world(COUNTS)
    found = compare_labelled(old, new, labels, gate=GateConfig(max_nfr=0.2, advisory=Bounds(max_nfr=0.001)))
    assert [check.advisory for check in found.gate.checks] == [False, True]
    assert found.gate.verdict == "ship"


def test_without_the_first_label_nothing_counts(world):
    old, new, labels = world(COUNTS)
    draw = draw_of(old, new, 200)
    with pytest.raises(InputError, match=rf"drawn first \({draw[0]}\) has no label, so none of the 3 labels counts"):
        compare_labelled(old, new, some(labels, draw[1:4]))
    with pytest.raises(InputError, match="none of the 0 labels"):
        compare_labelled(old, new)


def test_the_json_reads_as_that_of_a_comparison(world):
    old, new, labels = world(COUNTS)
    found = compare_labelled(old, new, labels, gate=GateConfig(max_nfr=0.2))
    written = json.loads(json.dumps(to_json(found)))
    assert written["nfr"] == found["nfr"] == 0.03
    assert written["intervals"]["nfr"] == pytest.approx(exact(30, 1000))
    assert len(written["flips"]["negative"]) == 30
    assert written["gate"]["passed"] is True
    assert "negative" not in written


def test_an_ordinary_comparison_refuses_labels_of_disagreements_alone(world):
    old, new, _ = world(COUNTS)
    filled = world(COUNTS, labelled=draw_of(old, new, 200))[:2]
    with pytest.raises(InputError, match="all 200 labelled images are ones on which the models disagree"):
        compare(*filled)
    one_more = [one for one in old.sample_id.tolist() if one not in draw_of(old, new, 200)][:1]
    assert compare(*world(COUNTS, labelled=[*draw_of(old, new, 200), *one_more])[:2]).n == 201
