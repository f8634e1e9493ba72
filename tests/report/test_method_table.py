import csv
import io
import re

import pytest

from modelheir.analysis.sequences.method_table import method_table
from modelheir.analysis.sequences.results import Result
from modelheir.checks import InputError
from modelheir.report.method_table import as_csv, as_latex, as_markdown

FT = "erm_fine_tune"


def toy(**settings):
    """Two architectures, three seeds; one cell failed, a schedule chosen."""
    sequence = "source6:rotation"
    rows = []
    for seed, more in ((1007, 0.0), (1008, 0.02), (1009, 0.04)):
        for model in ("Conv-1", "Res-4"):
            side = "erm_side_tune" if model == "Conv-1" else "erm_side_tune_block"
            for method, value in (("erm_all", 0.50), (FT, 0.70), (side, 0.6)):
                rows.append(Result(model, method, sequence, seed, value + more))
            for method, value, chosen in (
                ("sequential_fine_tune", 0.40, 0.9),
                ("sequential_fine_tune_linear_lr_decay", 0.55, 0.2),
            ):
                rows.append(Result(model, method, sequence, seed, value + more, chosen))
            rows.append(Result(model, "erm_final_20000_samples", sequence, seed, 0.8 + more))
    rows.append(Result("Res-4", "irm_all", sequence, 1007, None, failed="not a number | step 3"))
    rows.append(Result("Res-4", "erm_final_4000_samples", sequence, 1007, 0.31))
    return method_table(rows, {"Conv-1": "Conv-1", "Res-4": "Res-4"}, **settings)


def cells(text, start):
    line = next(line for line in text.splitlines() if line.startswith(start))
    return [cell.strip() for cell in line.rstrip("\\ ").strip("|").split("&" if "&" in line else "|")]


def test_latex_has_the_published_layout():
    text = as_latex(toy())
    first = "Model & 4k & ERM & IRM & DRO & FT & LP-FT & I-FT & D-FT & ST-1 & ST-B \\\\"
    second = "Model & SFT & EWC & SST-1 & SST-B & JM & JST-1 & JST-B &  &  & 20k \\\\"
    lines = text.splitlines()
    assert first in lines
    assert second in lines
    assert all(line.count("&") == 10 for line in lines if "&" in line and not line.startswith("%"))
    conv = [line for line in lines if line.startswith("Conv-1")]
    assert conv[0].split(" & ")[1:] == ["---", ".52", "---", "---", r"\textbf{.72}", *["---"] * 3, ".62", r"--- \\"]
    assert conv[1].split(" & ")[1:] == [".42", *["---"] * 6, "", "", r".82 \\"]
    res = next(line for line in lines if line.startswith("Res-4")).split(" & ")
    assert res[1] == ".31"
    assert res[3] == r"\emph{failed}"
    assert res[10].startswith(".62")  # a ResNet's block of side-tuning has a column of its own
    means = [line for line in lines if line.startswith("Mean")]
    assert means[0].split(" & ")[5] == r"\textbf{.72}"
    assert sum(line.startswith("Std dev") for line in lines) == 2
    assert lines[-2:] == [r"\bottomrule", r"\end{tabular}"]


def test_the_version_with_spread_over_seeds():
    text = as_latex(toy(), spread="std")
    assert cells(text, "Conv-1")[5] == r"\textbf{.72} (.02)"
    assert "Mean &" not in text
    assert "[.67, .77]" in as_latex(toy(), spread="interval")


def test_the_older_rule_shows_the_better_test_accuracy():
    assert "SFT: the best setting by validation accuracy of the last step (sequential_fine_tune 6 times)." in as_latex(
        toy()
    )
    old = as_latex(toy(rule="compat"))
    assert "by test accuracy of the last step (sequential_fine_tune_linear_lr_decay 2 times)" in old
    assert [line for line in old.splitlines() if line.startswith("Conv-1")][1].startswith("Conv-1 & .55")


def test_markdown_shows_intervals_failures_and_notes():
    text = as_markdown(toy())
    res = cells(text, "| Res-4")
    assert len(res) == 19
    assert res[5] == "**.72** [.67, .77]"
    assert (res[1], res[3], res[4]) == (".31", "failed", "\N{EN DASH}")
    assert cells(text, "| Mean |")[1] == ".31 (1 of 2)"
    assert cells(text, "| Mean rank")[5] == "1.0"
    assert "not a number &#124; step 3" in text
    assert "mean over seeds (1 in 1 cells, 3 in 10 cells)" in text


def test_csv_holds_every_cell_unrounded():
    found = toy()
    rows = list(csv.DictReader(io.StringIO(as_csv(found))))
    assert len(rows) == 3 * 18
    one = next(row for row in rows if (row["row"], row["column"]) == ("Conv-1", "FT"))
    cell = found.rows[0].cells["FT"]
    assert float(one["accuracy"]) == cell.mean
    assert (float(one["accuracy_low"]), float(one["accuracy_high"])) == cell.interval
    assert one["seeds"] == "1007 1008 1009"
    assert [float(v) for v in one["values"].split()] == list(cell.values)
    assert next(row for row in rows if row["column"] == "IRM" and row["row"] == "Res-4")["failed"].endswith("step 3")
    mean = next(row for row in rows if (row["row"], row["column"]) == ("Mean", "ERM"))
    assert float(mean["behind"]) == pytest.approx(0.2)


def test_names_are_escaped():
    row = Result("a", "FT", "s", 1, 0.5)
    found = method_table([row], {"50% & <b>_\\": "a"}, name="# steps")
    assert r"50\% \& $<$b$>$\_\textbackslash{}" in as_latex(found)
    assert r"\# steps" in as_latex(found)
    assert "<b>" not in as_markdown(found)
    assert re.search(r"^\| &#35; steps|^\| # steps", as_markdown(found))


def test_an_unknown_spread_is_refused():
    with pytest.raises(InputError, match="Did you mean 'interval'"):
        as_markdown(toy(), spread="intervall")
