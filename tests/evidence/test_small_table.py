"""The directions that the small experiment must show, by real training of small networks."""

import dataclasses
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

EVIDENCE = Path(__file__).parents[2] / "docs" / "evidence"
SEEDS = (20, 21, 22, 23, 24)  # not those of the committed records


@pytest.fixture(scope="module")
def small():
    spec = importlib.util.spec_from_file_location("small_table", EVIDENCE / "small_table.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def result():
    return json.loads((EVIDENCE / "small_table.json").read_text(encoding="utf-8"))


def at(arm, *weights):
    return dataclasses.replace(arm, weights=weights)


@pytest.fixture(scope="module")
def a(small):
    bench = small.Bench(small.SETTINGS["A"], seeds=SEEDS, members=4, fit=dataclasses.replace(small.FIT, epochs=40))
    for arm in (small.NONE, at(small.NAIVE, 1.0), at(small.FD_KL, 0.3), at(small.FD_LM, 0.1)):
        bench.run(arm)
    return bench


def of(small, bench, arm, weight, measure):
    return small.values(bench.records, arm, weight, measure, setting=bench.setting.name)


@pytest.mark.slow
@pytest.mark.parametrize(("arm", "weight"), [("FD-KL", 0.3), ("FD-LM", 0.1)])
def test_focal_distillation_lowers_flips_and_keeps_error(small, a, arm, weight):
    plain, focal = (
        {key: of(small, a, *point, key) for key in ("error", "nfr")} for point in (("none", 0.0), (arm, weight))
    )
    assert focal["nfr"].mean() <= 0.7 * plain["nfr"].mean()
    error = (focal["error"].var(ddof=1) + plain["error"].var(ddof=1)) / len(SEEDS)
    assert focal["error"].mean() - plain["error"].mean() <= 2 * error**0.5


@pytest.mark.slow
def test_naive_weighting_does_not_reach_half_of_it(small, a):
    plain, naive, focal = (
        of(small, a, *point, "nfr").mean() for point in (("none", 0.0), ("naive", 1.0), ("FD-KL", 0.3))
    )
    assert plain - naive < (plain - focal) / 2


@pytest.mark.slow
def test_larger_ensembles_flip_less_and_gain_more_in_flips_than_in_error(small, a):
    a.with_ensemble().ensembles()
    sizes = (1, 2, 4)
    nfr, error = (
        np.array([of(small, a, "ensembles, both sides", n, key).mean() for n in sizes]) for key in ("nfr", "error")
    )
    assert (np.diff(nfr) < 0).all()
    assert (nfr / nfr[0] < error / error[0])[1:].all()


@pytest.mark.slow
def test_batch_scalar_weights_cost_error_where_the_old_model_is_often_wrong(small):
    bench = small.Bench(small.SETTINGS["C"], seeds=SEEDS, members=1, fit=dataclasses.replace(small.FIT, epochs=20))
    for arm in (small.FD_KL, small.SCALAR):
        bench.run(at(arm, 0.3))
    gap = of(small, bench, "FD-KL", 0.3, "error") - of(small, bench, small.SCALAR.name, 0.3, "error")
    assert (gap < 0).all()


def test_networks_of_a_stack_do_not_feel_each_other(small):
    brief = dataclasses.replace(small.FIT, epochs=1)
    data = small.make_data()
    old = small.Stack([90, 91], 8)
    arm = at(small.FD_KL, 0.0, 0.3)

    def fit(arm, seeds, rows):
        teacher = small.Teacher(old.pick(rows), len(rows), data[0][: small.TRAIN])
        return small.train(arm, seeds, width=6, rows=300, data=data, teachers={"old": teacher}, fit=brief)

    both = fit(arm, [1, 2], [0, 1])
    alone = fit(at(arm, 0.3), [2], [1])
    plain = fit(small.NONE, [1], [0])
    for together, single, zero in zip(both.layers, alone.layers, plain.layers, strict=True):
        torch.testing.assert_close(together[3], single[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(together[0], zero[0], rtol=1e-4, atol=1e-5)


def test_one_network_of_a_stack_is_the_plain_one(small):
    stack = small.Stack([3, 4], 5)
    rows = torch.randn(7, small.INPUTS, generator=torch.Generator().manual_seed(0))
    w1, b1, w2, b2, w3, b3 = (value[1] for value in stack.layers)
    expected = (((rows @ w1 + b1).relu() @ w2 + b2).relu()) @ w3 + b3
    torch.testing.assert_close(stack(rows).logits[1], expected)
    torch.testing.assert_close(stack.widened(noise=0.0)(rows).logits, stack(rows).logits)


def test_the_page_shows_the_records(small, result):
    page = (EVIDENCE / "small_table.md").read_text(encoding="utf-8")
    panels = dict.fromkeys((r["task"], r["setting"]) for r in result["records"])
    assert len(panels) == 5
    for task, setting in panels:
        table = small.table(result["records"], setting=setting, task=task, arms=lambda arm: True)
        missing = [line for line in table.splitlines() if line not in page]
        assert not missing


def test_the_records_name_every_seed_of_every_point(small, result):
    seen = {}
    for record in result["records"]:
        point = (record["task"], record["setting"], record["arm"], record["weight"])
        seen.setdefault(point, []).append(record["seed"])
    assert all(sorted(seeds) == result["seeds"] for seeds in seen.values())
    assert len(result["seeds"]) >= 5


def test_the_picture_is_drawn_anew_byte_for_byte(small, result, tmp_path):
    small.draw(result["records"], tmp_path / "again.svg")
    again = (tmp_path / "again.svg").read_bytes()
    small.draw(result["records"], tmp_path / "twice.svg")
    assert again == (tmp_path / "twice.svg").read_bytes()
    assert b"<dc:date>" not in again
