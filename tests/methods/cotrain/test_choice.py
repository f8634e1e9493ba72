"""The choice: the best on the selection images, a row of each algorithm, and what is told of it."""

import json

import numpy as np
import pytest
import torch

from modelheir.methods.given.arms import merit


@pytest.fixture
def done(world, few, plain):
    return few(
        world.run, "run", given=plain, algorithms=("supervised", "logistic", "concatenated"), seeds=2, labels="0.3"
    )


def test_the_heads_of_the_best_by_the_mean_over_seeds_are_kept(done):
    names = ("supervised", "logistic", "concatenated")
    means = {
        name: np.mean([merit(done[f"{name}_calibrated_seed{seed}"]) for seed in (0, 1)], 0).tolist() for name in names
    }
    best = max(means, key=means.get)
    told = done["choice"].describe
    assert told["chosen"] == best
    ours, kept = done["choice"].weights("model"), done[f"{best}_seed0"].weights("model")
    assert all(torch.equal(ours[key], kept[key]) for key in kept)
    rows = told["rows"]
    assert set(rows) == {f"algorithm/{name}" for name in names}
    assert [name for name, row in rows.items() if row.get("chosen")] == [f"algorithm/{best}"]
    for name in names:
        row = rows[f"algorithm/{name}"]
        assert row["selection"] == pytest.approx(means[name][0])
        assert row["stages"] == [f"{name}_calibrated_seed0", f"{name}_calibrated_seed1"]
        assert ("views" in row) == (name == "supervised")
        assert row["value"] == pytest.approx(np.mean(row["values"]))
    note = rows[f"algorithm/{best}"]["note"]
    assert f"Use {best} (" in note
    assert all(f"\n{name} " in note for name in names)
    json.dumps(told, allow_nan=False)


@pytest.mark.parametrize(("key", "split"), [("views", "test"), ("views_selection", "val")])
def test_each_view_alone_is_judged_on_reporting_and_selection_images(done, world, plain, key, split):
    row = done["choice"].describe["rows"]["algorithm/supervised"][key]
    assert list(row) == ["view_1", "view_2"]
    from modelheir.models import from_spec

    test = plain.data.splits[split]
    images = torch.from_numpy(np.stack([test.image(number) for number in range(len(test))])).permute(0, 3, 1, 2) / 255
    values = []
    for seed in (0, 1):
        result = done[f"supervised_seed{seed}"]
        model = from_spec(result.describe["model"])
        model.load_state_dict(result.weights("model"))
        vectors = [one(images) for one in model.encoders()]
        said = [
            head.eval()(one).logits.argmax(1).numpy() for head, one in zip(model.heads.values(), vectors, strict=True)
        ]
        values.append([(one == test.labels).mean() for one in said])
    assert list(row.values()) == pytest.approx(np.mean(values, 0).tolist())


def test_rounds_that_were_skipped_stand_for_nothing(world, few, plain):
    done = few(
        world.run, "run", given=plain, algorithms=("cotrain",), exchange__rule="top_k", exchange__share=1.0,
        exchange__rederive=False, rounds__number=10,
    )  # fmt: skip
    (last,) = done["choice"].describe["rows"]["algorithm/cotrain"]["stages"]
    name = done[last].describe["from"]
    trained = {key: merit(one) for key, one in done.items() if key.startswith("round_") and not one.skipped}
    assert trained[name] == max(trained.values())
