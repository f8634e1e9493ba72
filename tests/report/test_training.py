import math

from modelheir.report import training


def test_quantities_are_drawn_with_errors_first():
    rows = [
        {"epoch": e, "stage": "student", "train/loss": 1.0 / (e + 1), "val/error": 0.1 / (e + 1), "lr": 0.1 - e / 100}
        for e in range(3)
    ]
    drawn, order = training.training_figures({"plain": rows, "<b>": rows})
    assert [picture.split('aria-label="')[1].split(" over")[0] for picture in drawn] == [
        "Val, error",
        "Train, loss",
        "Lr",
    ]
    assert order == ["plain", "<b>"]
    assert "10.0%" in drawn[0]
    assert not any("<b>" in picture for picture in drawn)


def test_stages_of_one_run_are_lines_of_their_own():
    rows = [{"epoch": 0, "stage": name, "loss": loss} for name, loss in (("member_0", 1.0), ("student", 2.0))]
    drawn, order = training.training_figures({"elodi": rows})
    assert order == ["elodi, member_0", "elodi, student"]
    assert len(drawn) == 1


def test_broken_values_and_missing_logs_are_left_out():
    assert training.training_figures({}) == ([], [])
    drawn, order = training.training_figures({"a": [{"epoch": 0, "loss": math.nan, "note": "x"}]})
    assert (drawn, order) == ([], [])


def test_what_never_changes_is_not_drawn():
    def names(**logs):
        return [p.split('aria-label="')[1].split(" over")[0] for p in training.training_figures(logs)[0]]

    flat = [{"epoch": e, "train/loss": 1.0 / (e + 1), "lambda": 0.0} for e in range(3)]
    other = [{**row, "lambda": 2.0} for row in flat]
    assert names(a=flat) == names(a=flat, b=flat) == ["Train, loss"]
    assert names(a=flat, b=other) == ["Train, loss", "Lambda"]  # the same over epochs, but not over runs
    assert names(a=flat[:1]) == ["Train, loss", "Lambda"]  # after one epoch nothing has changed yet


def test_at_most_twelve_pictures():
    drawn, _ = training.training_figures({"a": [{"epoch": 0, **{f"term_{k}": 1.0 for k in range(30)}}]})
    assert len(drawn) == 12
