"""Every figure in the findings on the losses follows from the raw values.

As in ``test_claims``: each claim is written out from the records and must stand in the page word for word.
"""

import pytest
from tests.evidence.test_claims import DOCS, accuracies, check, findings, raw, said

NAME = "distill_losses"
KD = "kl_distillation"


def gap(arm, than=KD):
    """Paired difference of two arms in points, with its interval."""
    return said(accuracies(NAME, arm) - accuracies(NAME, than), 2)


def cost(arm):
    values = [row["seconds"] for row in raw(NAME)["records"] if row["arm"] == arm]
    return f"{sum(values) / len(values):.0f}"


def claims():
    yield f"the teacher is right on {100 * accuracies(NAME, 'given_teacher').mean():.1f} %"
    yield f"KD alone on {100 * accuracies(NAME, KD).mean():.1f} %, in {cost(KD)} seconds"
    for arm in ("attention_feature", "review", "contrastive_representation", "projector_ensemble"):
        yield f"`{arm}` {gap(f'KD + {arm}')} points, {cost(f'KD + {arm}')} seconds"
    yield f"`neuron_selectivity` {gap('KD + neuron_selectivity')}"
    yield f"`renyi` {gap('renyi')} and soft cross-entropy (`teacher_cross_entropy`, `imitation`) {gap('imitation')}"
    yield f"`logit_matching` and `logit_distance` {gap('logit_matching')}, `logit_difference` {gap('logit_difference')}"
    yield f"Standardised logits: {gap('KD, logits standardised')}; `teacher_preserving`: {gap('teacher_preserving')}"
    yield f"Labels beside KD: {gap('KD and labels')}"
    base = "KD, labelled images"
    yield f"labels alone are {gap('labels alone', base)} points from KD on the same images"
    yield f"`spherical` {gap('spherical', base)}, `strict_imitation` {gap('strict_imitation', base)}"
    yield f"`new_error` {gap('new_error', base)}, `retentive_cross_entropy` {gap('retentive_cross_entropy', base)}"


def page():
    return (DOCS / "evidence" / f"{NAME}.md").read_text(encoding="utf-8")


def test_findings_follow_from_the_records():
    assert check(findings(page(), "<!-- findings -->", "<!-- tables -->"), claims()) == []


def test_the_tables_are_those_of_the_records(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "evidence"))
    import distill_losses

    assert page().partition("<!-- tables -->")[2].strip() == distill_losses.markdown(raw(NAME)).strip()


def test_every_arm_has_every_seed_and_the_weights_were_chosen_on_another():
    found, choice = raw(NAME), raw(f"{NAME}_weights")
    assert {"commit", "torch", "numpy", "modelheir"} <= set(found)
    assert len(found["seeds"]) >= 3
    assert choice["seed"] not in found["seeds"]
    assert choice["chosen"] == found["weights"]
    for arm in {row["arm"] for row in found["records"]}:
        assert sorted(row["seed"] for row in found["records"] if row["arm"] == arm) == sorted(found["seeds"]), arm


@pytest.mark.parametrize("name", sorted(raw(f"{NAME}_weights")["chosen"]))
def test_a_weight_is_the_best_of_those_tried(name):
    choice = raw(f"{NAME}_weights")
    tried = choice["selection accuracy"][name]
    assert tried[max(tried, key=tried.get)] == max(tried.values())
    assert choice["chosen"][name] == float(max(tried, key=tried.get))
