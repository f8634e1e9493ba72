import csv

import pytest

from modelheir import report

RUNS = [
    {
        "name": "plain",
        "error": 0.11,
        "nfr": 0.025,
        "nfr_interval": [0.02, 0.03],
        "relative_nfr": 0.26,
        "seeds": [0, 1, 2],
        "gate": {"verdict": "hold", "passed": False, "reasons": ["NFR: upper end 3.00% is above 2.00%"]},
    },
    {
        "name": "<b>ELODI</b>",
        "error": 0.113,
        "error_interval": [0.11, 0.116],
        "nfr": 0.016,
        "seeds": [0, 1, 2],
        "nfr_difference": -0.009,
        "nfr_difference_interval": [-0.012, -0.006],
        "gate": {"verdict": "ship", "passed": True, "reasons": [], "seeds_passed": 3},
        "chosen": True,
    },
    {"name": "=LDI", "seeds": [0], "failed": "the loss was not finite"},
]


def test_the_page_tells_who_passes_and_who_broke(tmp_path, chosen, images, outline):
    path = report.write_runs(
        tmp_path / "runs.html",
        RUNS,
        title="Digits",
        note="Intervals over 3 seeds.",
        error_old=0.15,
        baseline="plain",
        flipped=chosen,
        names=("v1", "ELODI"),
        images=images,
        curves={"plain": [{"epoch": 0, "loss": 1.0}]},
        provenance={"plain": {"commit": "abc"}},
    )
    page = outline(path)
    for words in (
        "Ship: 1 of 2 passes the gate",
        "Safe to ship by the bounds set: <b>ELODI</b>.",
        "1 did not finish",
        "the loss was not finite",
        "NFR: upper end 3.00% is above 2.00%",
        "[2.00, 3.00]",
        "NFR against plain",
        "\N{MINUS SIGN}0.90 pp [\N{MINUS SIGN}1.20, \N{MINUS SIGN}0.60]",
        "on 3 of 3 seeds",
        "The old model's error is 15.00%",
        "All 4 flipped images",
    ):
        assert words in page.text, words
    assert not page.all("i")
    assert len(page.all("script")) == 2


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ([RUNS[0]], "Hold: none of 1 passes the gate"),
        ([{"name": "a", "gate": {"verdict": "not enough images"}}, RUNS[0]], "Not enough images: none of 2 is shown"),
        ([{"name": "a", "error": 0.1, "nfr": 0.1}], "No verdict"),
        ([RUNS[2]], "No verdict"),
        ([], "No verdict"),
    ],
)
def test_verdicts(tmp_path, outline, runs, words):
    page = outline(report.write_runs(tmp_path / "runs.html", runs))
    assert words in page.text
    assert not page.all("section", id="flips")


def test_the_table_beside_holds_every_run(tmp_path):
    path = report.write_runs(tmp_path / "runs.html", RUNS)
    with path.with_suffix(".table.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["name"] for row in rows] == ["plain", "<b>ELODI</b>", "'=LDI"]
    assert (rows[0]["nfr_low"], rows[0]["verdict"], rows[0]["seeds"]) == ("0.02", "hold", "0 1 2")
    assert (rows[2]["error"], rows[2]["failed"]) == ("", "the loss was not finite")


@pytest.mark.parametrize("nfr", [{}, {"nfr": 0.1}])
def test_an_old_model_is_named_where_there_is_one(tmp_path, outline, nfr):
    page = outline(report.write_runs(tmp_path / "runs.html", [{"name": "a", "error": 0.1, **nfr}]))
    assert ("1 method compared with one old model" in page.text) == bool(nfr)
