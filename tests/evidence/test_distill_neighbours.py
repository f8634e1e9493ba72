"""Every figure in the findings beside distillation follows from the raw values.

As in ``test_claims``: each claim is written out from the records and must stand in the page word for word.
"""

import pytest
from tests.evidence.test_claims import DOCS, accuracies, check, findings, raw, said

NAME = "distill_neighbours"
ARMS = ["A", "one crop", "4 crops", "60 crops", "mutual", "pseudo_label", "fixmatch"]
ARMS += ["J_teacher", "J none", "J random", "J top-k"]


def gap(arm, than):
    """Paired difference of two arms in points, with its interval."""
    return said(accuracies(NAME, arm) - accuracies(NAME, than), 2)


def cost(arm):
    values = [row["seconds"] for row in raw(NAME)["records"] if row["arm"] == arm]
    return f"{sum(values) / len(values):.0f}"


def claims():
    yield f"four crops, stored once, {gap('4 crops', '60 crops')} points"
    yield f"one crop {gap('one crop', '60 crops')}"
    yield f"in {cost('cache_4')} seconds instead of {cost('cache_60')}"
    yield f"`pseudo_label` {gap('pseudo_label', 'A')}, `mutual` {gap('mutual', 'A')}, `fixmatch` {gap('fixmatch', 'A')}"
    yield f"the 5,000 that `modelheir select` takes {gap('J top-k', 'J none')} points"
    yield f"as many at random {gap('J random', 'J none')}"
    topic = [row["on topic"] for row in raw(NAME)["records"] if row["arm"] == "J selected"]
    yield f"of what is chosen {100 * sum(topic) / len(topic):.0f} % is on the topic"
    yield f"the teacher is {gap('J_teacher', 'J none')} points better than the student"
    yield f"selection less chance: {gap('J top-k', 'J random')}"


def page():
    return (DOCS / "evidence" / f"{NAME}.md").read_text(encoding="utf-8")


def test_findings_follow_from_the_records():
    assert check(findings(page(), "<!-- findings -->", "<!-- tables -->"), claims()) == []


def test_the_tables_are_those_of_the_records(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "evidence"))
    import distill_neighbours

    assert page().partition("<!-- tables -->")[2].strip() == distill_neighbours.markdown(raw(NAME)).strip()


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_has_every_seed(arm):
    found = raw(NAME)
    assert {"commit", "commit of J", "torch", "numpy", "modelheir"} <= set(found)
    assert len(found["seeds"]) >= 3
    assert sorted(row["seed"] for row in found["records"] if row["arm"] == arm) == sorted(found["seeds"])
