"""Every figure in the findings on adaptation follows from the raw values.

As in ``test_claims``: each claim is written out from the records and must stand in the page word for word.
"""

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from tests.evidence.test_claims import DOCS, check, findings, raw, said

NAME = "seq-to-final"
MODES = ("fixed", "compat")
BASE = "erm_fine_tune"
SAID = (
    *("gradual_unfreeze_last_to_first", "linear_probe_fine_tune", "erm_side_tune", "joint_side_tune", "joint_model"),
    *("sequential_fine_tune", "sequential_ewc", "wise_ft", "erm_final"),
)


def accuracies(mode, method):
    found = [row for row in raw(NAME)["records"] if (row["mode"], row["method"]) == (mode, method)]
    return np.array([row["accuracy"] for row in sorted(found, key=lambda row: row["seed"])])


def methods(mode):
    return list(dict.fromkeys(row["method"] for row in raw(NAME)["records"] if row["mode"] == mode))


def level(mode, method):
    return f"{100 * accuracies(mode, method).mean():.1f} %"


def better(mode):
    """Methods whose paired difference from fine-tuning leaves out 0 from above, the best first."""
    gaps = {name: accuracies(mode, name) - accuracies(mode, BASE) for name in methods(mode) if name != "oracle"}
    lows = {name: ttest_1samp(gap, 0).confidence_interval(0.95).low for name, gap in gaps.items() if gap.any()}
    return sorted((name for name, low in lows.items() if low > 0), key=lambda name: -gaps[name].mean())


def claims():
    for mode in MODES:
        yield f"`erm_fine_tune` is right on {level(mode, BASE)}, `erm_all` on {level(mode, 'erm_all')}"
        yield f"the oracle on {level(mode, 'oracle')}"
        for name in SAID:
            yield f"`{name}` {said(accuracies(mode, name) - accuracies(mode, BASE), 2)}"
        yield f"told apart from it and better: {', '.join(f'`{name}`' for name in better(mode)) or 'none'}"
        gap = said(accuracies(mode, "joint_side_tune") - accuracies(mode, "erm_side_tune"), 2)
        yield f"`joint_side_tune` less `erm_side_tune`: {gap}"


def page():
    return (DOCS / "evidence" / f"{NAME}.md").read_text(encoding="utf-8")


def test_findings_follow_from_the_records():
    assert check(findings(page(), "<!-- findings -->", "<!-- tables -->"), claims()) == []


def test_the_tables_are_those_of_the_records(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "evidence"))
    import seq_to_final

    assert page().partition("<!-- tables -->")[2].strip() == seq_to_final.markdown(raw(NAME)).strip()


@pytest.mark.parametrize("mode", MODES)
def test_every_method_has_every_seed_and_a_row_says_what_it_is(mode):
    found = raw(NAME)
    assert {"commit", "torch", "numpy", "modelheir"} <= set(found)
    assert len(found["seeds"]) >= 3
    for name in methods(mode):
        rows = [row for row in found["records"] if (row["mode"], row["method"]) == (mode, name)]
        assert sorted(row["seed"] for row in rows) == sorted(found["seeds"]), name
        for row in rows:
            assert {"mode", "sequence", "family", "blocks", "method", "seed", "accuracy", "seconds", "setting"} <= set(
                row
            )
            assert row["seconds"] > 0
