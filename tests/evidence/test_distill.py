"""Every figure in the findings on distillation, and in the card that quotes them, follows from the raw values.

As in ``test_claims``: each claim is written out from the records and must stand in the page word for word.
"""

import pytest
from tests.evidence.test_claims import DOCS, accuracies, check, findings, flat, raw, said


def gap(arm, than, name="distill"):
    """Paired difference of two arms in points, with its interval."""
    return said(accuracies(name, arm) - accuracies(name, than), 2)


def level(arm):
    return f"{100 * accuracies('distill', arm).mean():.1f} %"


def claims():
    yield f"the teacher is right on {level('given teacher')}, the student on its labels alone on {level('A')}"
    yield f"the student gains {gap('given D', 'A')} points with the pool (D) and {gap('given B', 'A')} without (B)"
    yield f"SSLD's loss less soft cross-entropy, both without the pool: {gap('given C', 'given B')}"
    yield f"the pool itself (D less C): {gap('given D', 'given C')}"
    yield f"KD at temperature 4 less SSLD's loss: {gap('given I kl_distillation', 'given D')}"
    yield f"labels beside KD: {gap('given I KD and labels', 'given I kl_distillation')}"
    yield f"the second stage (F less D): {gap('given F', 'given D')}"
    yield f"only {gap('teacher', 'A')} points better than the student on the same labels"
    yield f"D less A: {gap('D', 'A')}; B: {gap('B', 'A')}; C: {gap('C', 'A')}"
    yield f"3 times the steps (E) gain {gap('E', 'A')} on A, and A itself gains {gap('A long', 'A')} by them"
    yield f"a teacher that is worse than the student (H): {gap('H', 'A')}"
    yield f"batch norms by the batch (G) less the stored ones: {gap('G', 'D')}"
    for arm in ("jensen_shannon", "kl_distillation", "decoupled", "dist"):
        yield f"`{arm}` {gap(f'I {arm}', 'D')}"
    yield f"tested at 22 pixels it falls by {gap('given F', 'given K at 22 px')} points"
    yield f"fitting the classifier brings back all but {gap('given F', 'given K')}"
    yield f"settings gain on digits {gap('distilled', 'labels alone', 'distill_quick')} points over five splits"
    yield f"from F's weights less from A's, at one rate: {gap('L distilled, one rate', 'L plain, one rate')}"
    rates = gap("L distilled, rates by stage", "L distilled, one rate")
    yield f"rates by stage less one rate, from F's weights: {rates}"
    yield f"from A's weights less from scratch: {gap('L plain, one rate', 'L from scratch')}"


def test_findings_follow_from_the_records():
    text = (DOCS / "evidence/distill.md").read_text(encoding="utf-8")
    assert check(findings(text, "<!-- findings -->", "<!-- tables -->"), claims()) == []


def test_the_tables_are_those_of_the_records(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "evidence"))
    import distill

    text = (DOCS / "evidence/distill.md").read_text(encoding="utf-8")
    assert text.partition("<!-- tables -->")[2].strip() == distill.markdown(raw("distill")).strip()


@pytest.mark.parametrize("name", ["distill", "distill_quick"])
def test_records_say_what_they_were_made_with(name):
    found = raw(name)
    assert {"commit", "torch", "numpy", "modelheir"} <= set(found)
    assert len(found["seeds"]) >= 3
    for arm in {row["arm"] for row in found["records"]}:
        assert sorted(row["seed"] for row in found["records"] if row["arm"] == arm) == sorted(found["seeds"]), arm


def test_claims_are_flat():
    assert all(flat(claim) == claim for claim in claims())
