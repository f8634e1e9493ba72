"""``demo``: the table shows spread and verdicts."""

import importlib

from modelheir.cli import demo


def row(name, passed):
    return {
        **{
            "name": name,
            "seeds": [0, 1, 2],
            "n": 719,
            "error_old": 0.08,
            "error": 0.05,
            "error_interval": (0.04, 0.06),
        },
        **{"nfr": 0.012, "nfr_interval": (0.01, 0.014), "relative_nfr": 0.26, "relative_nfr_interval": None},
        "gate": {"verdict": "ship" if passed else "hold", "reasons": [], "seeds_passed": 3 if passed else 1},
    }


def test_table_and_page(calls, capsys):
    def run(out, *, seeds, max_nfr, watch, command):
        watch("plain", 1, 3, 12)
        return [row("plain", False), row("careful", True)], f"{out}/report.html"

    calls.replace(importlib.import_module("modelheir.assemble.demo"), "demo", run)
    assert demo.main(["--out", "somewhere", "--seeds", "2"]) == 0
    said = capsys.readouterr()
    assert said.err == "[4/12] seed 1: plain\n"
    assert "1.20% [1.00, 1.40]" in said.out
    assert "hold (1 of 3 seeds ship)" in said.out
    assert said.out.rstrip().endswith("95 % over seeds.\nReport: somewhere/report.html")
    assert list(calls["demo"][1]["seeds"]) == [0, 1]
    assert calls["demo"][1]["command"] == ["modelheir", "demo", "--out", "somewhere", "--seeds", "2"]
