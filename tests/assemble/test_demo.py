"""The demonstration, for real but short: paired arms, the table, the page with its gallery."""

import pytest

from modelheir.assemble import demo as demonstration
from modelheir.assemble.arms import Arm, pairs, train_arms
from modelheir.checks import InputError


def test_short_demonstration_trains_every_arm_and_writes_the_page(tmp_path, monkeypatch):
    monkeypatch.setattr(demonstration, "BASE", {**demonstration.BASE, "fit.epochs": 10})
    monkeypatch.setattr(demonstration, "ELODI", {**demonstration.ELODI, "method.members": 2})
    seen = []
    rows, page = demonstration.demo(tmp_path, seeds=(0, 1), watch=lambda *about: seen.append(about))
    assert [row["name"] for row in rows] == ["plain", "focal distillation", "ELODI"]
    assert len(seen) == 8
    for row in rows:
        assert row["n"] == 898
        assert row["seeds"] == [0, 1]
        assert row["gate"]["verdict"] in ("ship", "hold", "not enough images")
        assert row["error"] == pytest.approx(sum(row["error_values"]) / 2)
    html = page.read_text()
    assert "focal distillation" in html
    assert "data:image/png;base64" in html  # the gallery shows the digits themselves
    again, _ = demonstration.demo(tmp_path, seeds=(0, 1))  # finished runs are read, not trained
    assert again == rows


def test_arms_share_their_seed_and_old_model(tmp_path):
    base = {"data": "synthetic:n=96,classes=3,size=8", "model": "mlp", "device": "cpu", "fit.epochs": 1}
    arms = [
        Arm("old"),
        Arm("plain", old="old", teaches=False),
        Arm("safe", "upgrade", {"allow_weak_teacher": True}, "old"),
    ]
    folders = train_arms(arms, base, seeds=(3,), out=tmp_path)
    found = pairs(folders, arms)
    assert set(found) == {"plain", "safe"}
    old, new = found["plain"][3]
    assert (old.sample_id == new.sample_id).all()
    # without the pull, the same seed and data: the plain arm is the old model itself
    assert (old.prediction == new.prediction).all()
    with pytest.raises(InputError, match="is missing: did the run"):
        pairs(folders, arms, split="train")
