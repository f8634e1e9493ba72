import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom, binomtest

from modelheir.analysis.gate.bounds import Bounds, GateConfig
from modelheir.analysis.gate.judge import judge
from modelheir.analysis.record import Rate
from modelheir.analysis.replay import Replay
from modelheir.checks import InputError
from modelheir.metrics.statistics.paired import paired_difference
from modelheir.metrics.statistics.sequential import sequence, sequence_of_gain

SHIP, HOLD, OPEN = "ship", "hold", "not enough images"
CLASSES = np.array([[400, 4, 60, 20, 16], [380, 16, 40, 30, 34]])
COUNTS = CLASSES.sum(0)  # NFR is 20 of 1000
RELIABILITY = [{"n": 600, "confidence": 0.95, "accuracy": 0.9}, {"n": 400, "confidence": 0.7, "accuracy": 0.7}]


def ends(count, total, confidence=0.95):
    """Return the exact interval, by SciPy."""
    found = binomtest(count, total).proportion_ci(confidence, "exact")
    return found.low, found.high


def verdict(**bounds):
    return judge(
        GateConfig(**bounds), COUNTS, class_counts=CLASSES, class_names=("cat", "dog"), reliability=RELIABILITY
    )


def classes(*rows, **bounds):
    """Judge classes of which each is (images, negative flips)."""
    counts = np.array([[total - lost, lost, 0, 0, 0] for total, lost in rows])
    names = tuple(f"c{number}" for number in range(len(rows)))
    return judge(GateConfig(**bounds), counts.sum(0), class_counts=counts, class_names=names)


def test_no_bounds_no_verdict():
    found = verdict()
    assert found["passed"] is None
    assert found["verdict"] is None
    assert found["reasons"] == found["checks"] == []
    assert found["needed"] == {}
    assert (found.state, found.exit_code) == ("none", 0)


def test_an_end_that_lies_on_the_bound_meets_it():
    low, high = ends(20, 1000)
    for bound, said in ((high + 1e-9, SHIP), (high - 1e-9, OPEN), (low + 1e-9, OPEN), (low - 1e-9, HOLD)):
        assert verdict(max_nfr=bound)["verdict"] == said
    low, high = paired_difference(COUNTS)
    for bound, said in ((low, SHIP), (low + 1e-9, OPEN), (high, OPEN), (high + 1e-9, HOLD)):
        assert verdict(min_accuracy_gain=bound)["verdict"] == said


@pytest.mark.parametrize(
    ("verdict_", "passed", "code", "state"),
    [(SHIP, True, 0, "ship"), (HOLD, False, 1, "hold"), (OPEN, None, 3, "undecided")],
)
def test_what_a_verdict_means_for_whoever_asks(verdict_, passed, code, state):
    bound = {SHIP: 0.5, HOLD: 0.001, OPEN: 0.02}[verdict_]
    found = verdict(max_nfr=bound)
    assert (found["verdict"], found["passed"], found.exit_code, found.state) == (verdict_, passed, code, state)
    for undecided, then in (("ship", 0), ("hold", 1)):
        told = verdict(max_nfr=bound, undecided=undecided)
        assert told["verdict"] == verdict_  # what the images say stays what it is
        assert told.exit_code == (then if verdict_ == OPEN else code)


def test_the_estimate_alone_may_be_judged():
    assert verdict(max_nfr=0.02, point=True)["verdict"] == SHIP
    assert verdict(max_nfr=0.0199, point=True)["verdict"] == HOLD
    gain = (COUNTS[2] - COUNTS[1]) / COUNTS.sum()
    assert verdict(min_accuracy_gain=gain)["verdict"] == OPEN
    assert verdict(min_accuracy_gain=gain, point=True)["verdict"] == SHIP
    assert verdict(max_class_nfr=0.5, point=True)["notes"] == []
    assert "its estimate is above 1.99%" in verdict(max_nfr=0.0199, point=True)["reasons"][0]


@pytest.mark.parametrize(
    ("name", "ends_"),
    [
        ("max_nfr", sequence(20, 1000)),
        ("min_kept", sequence(780, 800)),
        ("max_churn", sequence(170, 1000)),
        ("min_accuracy_gain", sequence_of_gain(COUNTS)),
    ],
)
def test_whoever_looks_often_is_judged_by_intervals_that_hold_at_all_looks(name, ends_):
    found = verdict(**{name: 0.5}, sequential=True)
    (check,) = found["checks"]
    assert check["interval"] == pytest.approx(ends_)
    assert any("hold at all looks together" in note for note in found["notes"])
    outward = 1e-9 if name.startswith("max") else -1e-9
    worse, better = ends_ if name.startswith("min") else ends_[::-1]
    assert verdict(**{name: worse + outward}, sequential=True)["verdict"] == SHIP
    assert verdict(**{name: worse - outward}, sequential=True)["verdict"] == OPEN
    assert verdict(**{name: better - outward}, sequential=True)["verdict"] == HOLD
    assert verdict(**{name: worse - outward})["verdict"] == SHIP  # one look needs fewer images


def test_classes_are_looked_at_often_too_and_the_price_is_higher():
    plain, often = (classes((500, 5), (500, 1), max_class_nfr=0.015, sequential=on) for on in (False, True))
    for check in often["checks"]:
        assert check["interval"] == pytest.approx(sequence(5 if check["class"] == "c0" else 1, 500))
    assert often["needed"]["max_class_nfr"] > plain["needed"]["max_class_nfr"]
    assert not any("looks" in note for note in plain["notes"])
    assert verdict(sequential=True)["notes"] == []  # without a bound there is nothing to look at


def test_looking_often_is_refused_where_no_such_interval_is_used():
    with pytest.raises(InputError, match="sequential and point contradict each other"):
        GateConfig(max_nfr=0.1, sequential=True, point=True)
    for ece in ({"max_ece": 0.1}, {"advisory": Bounds(max_ece=0.1)}):
        with pytest.raises(InputError, match="leave out max_ece, or sequential"):
            GateConfig(sequential=True, **ece)
    with pytest.raises(InputError, match="max_nfr = 2"):
        GateConfig(max_nfr=2, sequential=True)


def test_more_confidence_is_harder_to_meet():
    high = ends(20, 1000)[1]
    assert verdict(max_nfr=high + 1e-9)["verdict"] == SHIP
    assert verdict(max_nfr=high + 1e-9, confidence=0.99)["verdict"] == OPEN


def test_a_release_on_its_bound_ships_wrongly_in_at_most_one_case_in_forty():
    for n, rate in ((200, 0.02), (1000, 0.02), (500, 0.1)):
        lost = np.arange(n + 1)
        ships = [classes((n, int(k)), max_nfr=rate)["verdict"] == SHIP for k in lost[: int(3 * n * rate)]]
        assert binom(n, rate).pmf(lost[: len(ships)])[ships].sum() <= 0.025


@pytest.mark.parametrize(
    ("name", "count", "total"),
    [("max_nfr", 20, 1000), ("min_kept", 780, 800), ("max_churn", 170, 1000)],
)
def test_each_share_is_of_its_own_images(name, count, total):
    (check,) = verdict(**{name: 0.5})["checks"]
    assert check["value"] == pytest.approx(count / total)
    assert check["interval"] == pytest.approx(ends(count, total))
    assert check["n"] == total
    assert (check["verdict"] == SHIP) is (name != "max_nfr" or True)
    low, high = ends(count, total)
    worse, better = (low, high) if name.startswith("min") else (high, low)
    outward = 1e-9 if name.startswith("max") else -1e-9
    assert verdict(**{name: worse + outward})["verdict"] == SHIP
    assert verdict(**{name: worse - outward})["verdict"] == OPEN
    assert verdict(**{name: better - outward})["verdict"] == HOLD


def test_the_calibration_error_is_bounded_too():
    (check,) = verdict(max_ece=0.5)["checks"]
    assert check["value"] == pytest.approx(0.6 * 0.05)
    spread = [0.6 * np.sqrt(p * (1 - p) / 600) for p in [(540 + 2) / 604]]
    spread += [0.4 * np.sqrt(p * (1 - p) / 400) for p in [(280 + 2) / 404]]
    reach = 1.959964 * np.hypot(*spread)
    assert check["interval"] == pytest.approx((0.0, 0.03 + reach), abs=1e-7)  # the low end is below nothing
    assert verdict(max_ece=0.03)["verdict"] == OPEN
    assert verdict(max_ece=0.0001)["verdict"] == OPEN
    assert verdict(max_ece=0.03 + reach + 1e-6)["verdict"] == SHIP
    with pytest.raises(InputError, match=r"max_ece\) needs the new model's scores"):
        judge(GateConfig(max_ece=0.1), COUNTS, class_counts=CLASSES, class_names=("cat", "dog"))


def slices(*rows, **bounds):
    """Judge slices of which each is (name, images, negative flips); all images are one class."""
    counts = np.array([[total - lost, lost, 0, 0, 0] for _, total, lost in rows])
    config, names = GateConfig(**bounds), [name for name, *_ in rows]
    whole = {"class_counts": counts.sum(0, keepdims=True), "class_names": ("cat",)}
    return judge(config, counts.sum(0), **whole, slice_counts=counts, slice_names=names)


def test_single_slices_have_bounds_of_their_own():
    """Each is held against its own bound, whatever its place; slices without one are not judged."""
    rows = [("day = 1", 500, 400), ("day = 2", 800, 8), ("site = a", 400, 20)]
    ends_of = {name: ends(lost, total) for name, total, lost in rows}
    for name, _, _ in rows:
        for change, said in ((1e-9, SHIP), (-1e-9, OPEN)):
            high = ends_of[name][1] + change
            assert slices(*rows, max_slice_nfr={name: high})["verdict"] == (said if high < 1 else SHIP)
    bounds = {"site = a": ends_of["site = a"][1] + 1e-9, "day = 2": ends_of["day = 2"][1] - 1e-9}
    found = slices(*rows, max_slice_nfr=bounds)
    assert [(check["slice"], check["verdict"], check["bound"], check["n"]) for check in found["checks"]] == [
        ("day = 2", OPEN, bounds["day = 2"], 800),
        ("site = a", SHIP, bounds["site = a"], 400),
    ]
    assert f"both sides of {bounds['day = 2']:.2%}" in found["reasons"][0]
    worse = "New mistakes are more frequent than in all other images in day = 1"
    assert any(note.startswith(worse) for note in found["notes"])  # of which the bounds say nothing
    assert not any("not judged" in note for note in found["notes"])
    two = slices(*rows, max_slice_nfr={"day = 1": 0.5, "day = 2": 0.5})
    assert "Bonferroni for 2 slices" in " ".join(two["notes"])
    small = slices(*rows, max_slice_nfr=bounds, min_class_count=500)
    assert [(check["slice"], check["bound"]) for check in small["checks"]] == [("day = 2", bounds["day = 2"])]
    assert "not judged: site = a" in " ".join(small["notes"])
    none = slices(*rows, max_slice_nfr=bounds, min_class_count=5000)["checks"]
    assert [check["verdict"] for check in none] == [OPEN]


def test_a_slice_that_is_not_there_is_named_with_the_nearest():
    rows = [(f"country = {name}", 10, 0) for name in ("jp", "de", "br", "fr", "it", "es")]
    with pytest.raises(
        InputError, match=r"bounds 'country = pj', and there is no such slice. Did you mean 'country = jp'"
    ):
        slices(*rows, max_slice_nfr={"country = de": 0.5, "country = pj": 0.1})
    with pytest.raises(InputError, match=r"no such slice. There are country = jp, .*country = it, \.\.\.\."):
        slices(*rows, advisory=Bounds(max_slice_nfr={"x": 0.1}))


def replay(n, wrong, gone=0, own=0):
    share = Rate(wrong / n) if n else Rate(None)
    return Replay("flips.parquet", n, wrong, share, gone, own, ("x",) * wrong, ("y",) * gone, ())


def replay_verdict(of, **bounds):
    names = {"class_counts": CLASSES, "class_names": ("cat", "dog")}
    return judge(GateConfig(**bounds), COUNTS, **names, replay=of)


def test_remembered_images_have_a_bound_of_their_own():
    """A share of the remembered images, judged as every share is, with the images that a decision needs."""
    low, high = ends(6, 80)
    (check,) = replay_verdict(replay(80, 6), max_replayed=0.5)["checks"]
    assert (check["value"], check["n"]) == (6 / 80, 80)
    assert check["interval"] == pytest.approx((low, high))
    for bound, said in ((high + 1e-9, SHIP), (high - 1e-9, OPEN), (low + 1e-9, OPEN), (low - 1e-9, HOLD)):
        assert replay_verdict(replay(80, 6), max_replayed=bound)["verdict"] == said
    assert replay_verdict(replay(80, 6), max_replayed=6 / 80, point=True)["verdict"] == SHIP
    assert replay_verdict(replay(80, 6), max_replayed=6 / 80 - 1e-9, point=True)["verdict"] == HOLD
    needed = replay_verdict(replay(80, 6), max_replayed=0.1)["needed"]["max_replayed"]

    def upper(n):  # for a count that need not be whole
        return beta.ppf(0.975, n * 6 / 80 + 1, n - n * 6 / 80)

    assert upper(80 + needed) <= 0.1 < upper(80 + needed - 1)
    both = replay_verdict(replay(80, 6), max_nfr=0.5, advisory=Bounds(max_replayed=0.01))
    assert [(check["name"], check["verdict"], check["advisory"]) for check in both["checks"]] == [
        ("max_nfr", SHIP, False),
        ("max_replayed", HOLD, True),
    ]
    assert both["verdict"] == SHIP


def test_where_nothing_can_be_replayed():
    """Nothing remembered yet: nothing came back. All of it gone, or this very release's: nobody knows."""
    assert replay_verdict(replay(0, 0), max_replayed=0.0)["verdict"] == SHIP
    for of, words in ((replay(0, 0, gone=7), "7 are gone from the data, and 0"), (replay(0, 0, own=4), "and 4 are of")):
        found = replay_verdict(of, max_replayed=0.9)
        assert (found["verdict"], found["needed"]) == (OPEN, {"max_replayed": None})
        assert words in found["reasons"][0]
    for bounds in ({"max_replayed": 0.1}, {"advisory": Bounds(max_replayed=0.1)}):
        with pytest.raises(InputError, match=r"max_replayed\) needs the list of them") as found:
            replay_verdict(None, **bounds)
        assert "\n" not in str(found.value)


@pytest.mark.parametrize("bound", [0.015, 0.03, 0.025, 0.0201])
def test_so_many_more_images_decide_and_one_fewer_does_not(bound):
    found = verdict(max_nfr=bound)
    needed = found["needed"]["max_nfr"]
    assert found["checks"][0]["needed"] == needed

    def decided(total):  # the exact ends for a count that need not be whole, from the beta distribution
        lost = 0.02 * total
        low, high = beta.ppf(0.025, lost, total - lost + 1), beta.ppf(0.975, lost + 1, total - lost)
        return high <= bound or low > bound

    assert decided(1000 + needed)
    assert not decided(1000 + needed - 1)
    assert f"about {needed:,} more images would decide at this rate" in found["reasons"][0]


def test_no_number_of_images_decides_a_rate_that_lies_on_its_bound():
    found = verdict(max_nfr=0.02)
    assert found["needed"] == {"max_nfr": None}
    assert found.price == "max_nfr: no number would do at this rate"
    assert "needed" not in found["checks"][0]
    assert found["reasons"] == [
        f"NFR is 2.00% [{ends(20, 1000)[0]:.2%}, {ends(20, 1000)[1]:.2%}]: its interval lies on both sides of 2.00%; "
        "at this very rate no number of images decides."
    ]


def test_what_a_gain_still_needs():
    gain = 0.08
    needed = verdict(min_accuracy_gain=gain - 0.02)["needed"]["min_accuracy_gain"]
    scale = (1000 + needed) / 1000
    assert paired_difference(COUNTS * scale)[0] >= gain - 0.02
    assert paired_difference(COUNTS * (scale - 2e-3))[0] < gain - 0.02


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 400), st.integers(0, 400), st.floats(0.001, 0.6), st.booleans())
def test_exactly_one_verdict_and_a_price_where_it_is_open(total, lost, bound, point):
    lost = min(lost, total)
    found = classes((total, lost), max_nfr=bound, point=point)
    low, high = ends(lost, total)
    if point:
        assert found["verdict"] == (SHIP if lost / total <= bound else HOLD)
    else:
        assert found["verdict"] == (SHIP if high <= bound else HOLD if low > bound else OPEN)
    assert (found["needed"] != {}) is (found["verdict"] == OPEN)
    for needed in found["needed"].values():
        assert needed is None or needed >= 1


NFR = {SHIP: 0.05, OPEN: 0.02, HOLD: 0.001}
GAIN = dict(zip((SHIP, OPEN, HOLD), (0.02, 0.08, 0.2), strict=True))


@pytest.mark.parametrize("nfr", [SHIP, OPEN, HOLD])
@pytest.mark.parametrize("gain", [SHIP, OPEN, HOLD])
def test_the_worst_of_several_bounds_is_the_verdict(nfr, gain):
    found = verdict(max_nfr=NFR[nfr], min_accuracy_gain=GAIN[gain])
    assert [check["verdict"] for check in found["checks"]] == [nfr, gain]
    assert found["verdict"] == next(one for one in (HOLD, OPEN, SHIP) if one in (nfr, gain))
    assert len(found["reasons"]) == (nfr != SHIP) + (gain != SHIP)
    assert set(found["needed"]) == {
        name for name, said in (("max_nfr", nfr), ("min_accuracy_gain", gain)) if said == OPEN
    }


def test_an_advisory_bound_is_shown_and_decides_nothing():
    found = verdict(max_nfr=0.05, advisory=Bounds(max_churn=0.01, max_class_nfr=0.9))
    assert found["verdict"] == SHIP
    assert found["reasons"] == []
    assert [(check["name"], check["verdict"], check["advisory"]) for check in found["checks"]] == [
        ("max_nfr", SHIP, False),
        ("max_class_nfr", SHIP, True),
        ("max_class_nfr", SHIP, True),
        ("max_churn", HOLD, True),
    ]
    open_ = verdict(max_nfr=0.05, advisory=Bounds(max_nfr=0.021))
    assert open_["checks"][1]["needed"] > 0
    assert (open_["needed"], open_.price) == ({}, "")
    alone = verdict(advisory=Bounds(max_churn=0.01))
    assert (alone["verdict"], alone["passed"], alone.exit_code) == (None, None, 0)


# Classes and slices


def test_all_classes_meet_the_bound_without_a_correction_for_their_number():
    many = classes(*[(100, 0)] * 100, max_class_nfr=0.1)  # none of 100: below 3.7 % each
    assert many["verdict"] == SHIP
    assert many["notes"] == []
    high = ends(16, 500)[1]
    assert verdict(max_class_nfr=high + 1e-9)["verdict"] == SHIP
    assert verdict(max_class_nfr=high - 1e-9)["verdict"] == OPEN


def test_that_a_class_misses_its_bound_is_corrected_for_the_classes_judged():
    plain, strict = ends(20, 100)[0], ends(20, 100, 1 - 0.05 / 2)[0]
    assert strict < plain
    rows = ((100, 20), (100, 1), (3, 3))
    assert classes(*rows, max_class_nfr=strict - 1e-9, min_class_count=50)["verdict"] == HOLD
    held = classes(*rows, max_class_nfr=strict + 1e-9, min_class_count=50)
    assert held["verdict"] == OPEN  # uncorrected it would be held
    found = classes(*rows, max_class_nfr=0.05, min_class_count=50)
    assert tuple(found["checks"][0]["interval"]) == pytest.approx(ends(20, 100))  # as the table of classes shows it
    assert found["notes"] == [
        "1 class has fewer than 50 images and was not judged: c2.",
        "That a class misses its bound is judged at 97.5000% (Bonferroni for 2 classes).",
    ]


def test_a_class_too_small_to_decide_is_named_with_what_it_needs():
    found = classes((1000, 1), (10, 0), max_class_nfr=0.1)
    assert found["verdict"] == OPEN
    first = found["checks"][0]
    assert (first["class"], first["n"], first["value"], first["verdict"]) == ("c1", 10, 0.0, OPEN)
    enough = int(np.ceil(np.log(0.025) / np.log(1 - 0.1)))  # (1 - bound)^n <= 2.5 %
    assert first["needed"] == enough - 10 == found["needed"]["max_class_nfr"]
    assert found["reasons"] == [
        f"NFR of class c1 is 0.00% [0.00%, {ends(0, 10)[1]:.2%}]: its interval lies on both sides of 10.00%; "
        f"about {enough - 10} more images of it would decide at this rate."
    ]


def test_what_the_classes_need_is_added_up():
    found = classes((10, 0), (20, 0), (1000, 0), max_class_nfr=0.1)
    needed = [check.get("needed") for check in found["checks"]]
    assert needed == [36 - 10, 36 - 20, None]
    assert found["needed"] == {"max_class_nfr": 26 + 16}
    assert found.price == "max_class_nfr: about 42 more"
    assert classes((10, 0), (20, 2), max_class_nfr=0.1)["needed"] == {"max_class_nfr": None}  # one lies on its bound


def test_every_class_has_its_verdict_and_the_missed_ones_stand_first():
    found = classes((100, 5), (100, 60), (400, 0), (100, 90), (10, 0), max_class_nfr=0.1)
    assert [(check["class"], check["verdict"]) for check in found["checks"]] == [
        ("c3", HOLD),
        ("c1", HOLD),
        ("c4", OPEN),
        ("c0", OPEN),
        ("c2", SHIP),
    ]
    assert found["verdict"] == HOLD
    assert len(found["reasons"]) == 4
    point = classes((100, 5), (100, 30), (100, 10), max_class_nfr=0.05, point=True)
    assert [check["class"] for check in point["checks"]] == ["c1", "c2", "c0"]


def test_a_reader_is_told_of_the_first_and_of_how_many_more():
    rows = [(100, 90 - number) for number in range(8)]
    told, left = classes(*rows, (900, 0), max_class_nfr=0.1).told()
    assert [check.group for check in told] == ["c0", "c1", "c2", "c3", "c4"]
    assert left == 3
    told, left = classes((900, 1), (900, 0), max_class_nfr=0.1, max_nfr=0.5).told()
    assert [(check.name, check.group) for check in told] == [("max_nfr", ""), ("max_class_nfr", "c0")]
    assert left == 0


def test_a_class_that_gets_worse_fails_a_gate_that_the_mean_passes():
    found = verdict(max_nfr=0.05, max_class_nfr=0.015)
    assert found["verdict"] == HOLD
    assert found["reasons"][0].startswith("NFR of class dog is 3.20%")


def test_small_classes_are_named_not_forgotten():
    rows = ((100, 1), (2, 1), (0, 0))
    kept = classes(*rows, max_class_nfr=0.2, min_class_count=10)
    assert kept["verdict"] == SHIP
    assert kept["notes"][0] == "2 classes have fewer than 10 images and were not judged: c1, c2."
    none = classes(*rows, max_class_nfr=0.2, min_class_count=1000)
    assert none["verdict"] == OPEN
    assert none["reasons"] == ["no class has the 1000 images that the bound on classes asks for."]
    assert none["needed"] == {"max_class_nfr": None}


def test_a_class_without_images_is_named_too():
    found = classes((100, 1), (0, 0), (100, 1), max_class_nfr=0.2)
    assert found["verdict"] == SHIP
    assert found["notes"] == ["1 class has no images and was not judged: c1."]
    assert classes((100, 1), (0, 0), max_nfr=0.2)["notes"] == []  # no bound on classes


def test_a_class_of_exactly_the_images_asked_for_is_judged():
    found = classes((10, 9), (100, 1), max_class_nfr=0.5, min_class_count=10, point=True)
    assert [check["class"] for check in found["checks"]] == ["c0", "c1"]
    assert found["notes"] == []
    left = classes((10, 9), (100, 1), max_class_nfr=0.5, min_class_count=11, point=True)
    assert left["verdict"] == SHIP
    assert left["notes"] == ["1 class has fewer than 11 images and was not judged: c0."]


@pytest.mark.parametrize("count", [5, 6])
def test_at_most_five_small_classes_are_named(count):
    found = classes((100, 0), *[(2, 0)] * count, max_class_nfr=0.5, min_class_count=3)
    tail = "c1, c2, c3, c4, c5, ..." if count > 5 else "c1, c2, c3, c4, c5"
    assert found["notes"][0] == f"{count} classes have fewer than 3 images and were not judged: {tail}."


SLICES = np.array([[40, 60, 0, 0, 0], [1888, 2, 5, 3, 2]])  # 100 images of jp and 1,900 others


def sliced(slices=SLICES, names=("country = jp", "country = de"), **bounds):
    whole = slices.sum(0)
    return judge(
        GateConfig(**bounds),
        whole,
        class_counts=whole[None],
        class_names=("cat",),
        slice_counts=slices,
        slice_names=names,
    )


def test_a_slice_that_gets_worse_fails_a_gate_that_the_mean_passes():
    assert sliced(max_nfr=0.05)["verdict"] == SHIP
    found = sliced(max_nfr=0.05, max_slice_nfr=0.05)
    assert (found["passed"], found["verdict"]) == (False, HOLD)
    assert found["reasons"][0].startswith("NFR of slice country = jp is 60.00% [")
    assert [(check["slice"], check["n"]) for check in found["checks"][1:]] == [
        ("country = jp", 100),
        ("country = de", 1900),
    ]
    assert found["notes"] == ["That a slice misses its bound is judged at 97.5000% (Bonferroni for 2 slices)."]
    high = ends(60, 100)[1]
    assert sliced(max_slice_nfr=high + 1e-9)["verdict"] == SHIP
    assert sliced(max_slice_nfr=high - 1e-9)["verdict"] == OPEN


def test_small_slices_are_named_not_forgotten():
    found = sliced(max_slice_nfr=0.05, min_class_count=101)
    assert found["verdict"] == SHIP
    assert found["notes"][0] == "1 slice has fewer than 101 images and was not judged: country = jp."
    assert "no slice has the 5000 images" in sliced(max_slice_nfr=0.05, min_class_count=5000)["reasons"][0]


def test_slices_without_a_bound_are_not_passed_over_in_silence():
    note = "ew mistakes are more frequent than in all other images in country = jp (60.00% against 0.11%)."
    assert sliced(max_nfr=0.05)["notes"] == [f"Slices were not judged: max_slice_nfr sets no bound; but n{note}"]
    assert sliced()["notes"] == [f"N{note}"]
    assert sliced(np.array([SLICES[1]] * 2), max_nfr=0.05)["notes"] == [
        "Slices were not judged: max_slice_nfr sets no bound."
    ]
    assert sliced(np.array([SLICES[1]] * 2))["notes"] == []
    assert sliced(SLICES.sum(0)[None], ("all = yes",))["notes"] == []  # there are no other images
    assert sliced(max_nfr=0.05, advisory=Bounds(max_slice_nfr=0.9))["notes"] == []
    one = np.array([[0, 1, 0, 0, 0], [999, 0, 0, 0, 0]])  # of a single image, which is lost
    assert sliced(one)["notes"] == [f"N{note.replace('60.00% against 0.11%', '100.00% against 0.00%')}"]


@pytest.mark.parametrize(
    ("here", "rest", "worse"),
    [((6, 7), (2, 7), True), ((9, 10), (3, 10), True), ((5, 56), (0, 29), False)],  # Newcombe, 1998, table II
)
def test_worse_slices_against_published_intervals(here, rest, worse):
    slices = np.array([[total - lost, lost, 0, 0, 0] for lost, total in (here, rest)])
    found = judge(
        GateConfig(),
        slices.sum(0),
        class_counts=slices.sum(0)[None],
        class_names=("cat",),
        slice_counts=slices[:1],
        slice_names=("site = a",),
    )
    assert bool(found["notes"]) is worse


def test_at_most_five_worse_slices_are_named_by_their_rate():
    rows = [(50, 10 + number) for number in range(7)] + [(5000, 5)]
    slices = np.array([[total - lost, lost, 0, 0, 0] for total, lost in rows])
    (note,) = sliced(slices, tuple(f"s{number}" for number in range(8)))["notes"]
    assert [part[:2] for part in note.split("images in ")[1].split(", ")[:5]] == ["s6", "s5", "s4", "s3", "s2"]
    assert note.endswith("and 2 more.")
    (note,) = sliced(slices[2:], tuple(f"s{number}" for number in range(6)))["notes"]
    assert note.endswith("%).")


@pytest.mark.parametrize("bounds", [{"max_slice_nfr": 0.1}, {"advisory": Bounds(max_slice_nfr=0.1)}])
def test_a_bound_on_slices_needs_slices(bounds):
    with pytest.raises(InputError, match=r"max_slice_nfr\) needs slices: name the column"):
        verdict(**bounds)


# What stands beside the verdict


@pytest.mark.parametrize(("right", "said"), [(500, True), (520, True), (560, False)])
def test_an_old_model_near_chance_is_said(right, said):
    half = np.array([[right // 2, 0, 10, 490 - right // 2, 0]] * 2)  # two classes of 500
    found = judge(GateConfig(max_nfr=0.5), half.sum(0), class_counts=half, class_names=("cat", "dog"))
    assert (ends(right, 1000)[0] <= 0.5) is said
    assert any("to break nothing of that proves little" in note for note in found["notes"]) is said
    if said:
        assert f"The old model is right on {right / 1000:.2%} of the images" in found["notes"][0]
        assert "saying cat would be (50.00%)" in found["notes"][0]
    none = judge(GateConfig(), half.sum(0), class_counts=half, class_names=("cat", "dog"))
    assert none["notes"] == []


@pytest.mark.parametrize(
    ("bounds", "sentence"),
    [
        ({"max_nfr": 0.5}, "NFR is 2.00% [1.23%, 3.07%]: its upper end is at most 50.00%."),
        ({"max_nfr": 0.01}, "NFR is 2.00% [1.23%, 3.07%]: its lower end is above 1.00%."),
        ({"max_nfr": 0.01, "point": True}, "NFR is 2.00%: its estimate is above 1.00%."),
        ({"min_accuracy_gain": 0.5, "point": True}, "accuracy gain is 8.00%: its estimate is below 50.00%."),
        ({"min_accuracy_gain": 0.0, "point": True}, "accuracy gain is 8.00%: its estimate is at least 0.00%."),
        ({"max_churn": 0.5, "point": True}, "churn is 17.00%: its estimate is at most 50.00%."),
        ({"min_kept": 0.5, "point": True}, "share of right answers kept is 97.50%: its estimate is at least 50.00%."),
    ],
)
def test_the_sentence_of_a_bound(bounds, sentence):
    (check,) = verdict(**bounds)["checks"]
    assert check["sentence"] == sentence
    assert check["bound"] == next(iter(bounds.values()))


def test_impossible_bounds():
    with pytest.raises(InputError, match=r"max_nfr = 2: must be from 0 to 1"):
        GateConfig(max_nfr=2)
    with pytest.raises(InputError, match="confidence = nan"):
        GateConfig(confidence=float("nan"))
    with pytest.raises(InputError, match="undecided = 'maybe': must be one of"):
        GateConfig(undecided="maybe")


def test_compare_hands_its_slices_and_scores_to_the_gate():
    from modelheir.analysis.compare import compare
    from modelheir.types import Predictions

    ids, label, site = np.array([f"i{k}" for k in range(40)]), np.zeros(40, int), np.array(["b", "a"] * 20)
    scores = np.tile([0.75, 0.25], (40, 1))
    old, new = (
        Predictions(ids, label, said, columns={"site": site}, probabilities=scores)
        for said in (label, (site == "b").astype(int))
    )
    gate = compare(old, new, slices=["site"], gate=GateConfig(max_slice_nfr=0.5, max_ece=0.9))["gate"]
    assert [(check["slice"], check["value"]) for check in gate["checks"][:2]] == [("site = b", 1.0), ("site = a", 0.0)]
    assert gate["verdict"] == HOLD
    assert gate["checks"][2]["value"] == pytest.approx(0.25)
