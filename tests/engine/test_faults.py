"""A number that stops being finite ends the stage with an error that names step and samples."""

import dataclasses

import pytest
import torch

from modelheir.checks import InputError


@pytest.mark.parametrize("spoil_at", [0, 7])
def test_loss_that_is_not_finite_stops_with_the_ids_and_keeps_the_last_state(toy, tmp_path, spoil_at):
    with pytest.raises(InputError) as caught:
        toy.run(toy.plain(spoil_at=spoil_at), tmp_path)
    batch = list(toy.make_stream().epoch(spoil_at // 5))[spoil_at % 5]
    ids = [f"0/{i}" for i in batch.index.tolist()]
    assert f"epoch {spoil_at // 5 + 1}, step {spoil_at % 5 + 1} of 5" in str(caught.value)
    assert ", ".join(ids[:5]) in str(caught.value)
    folder = tmp_path / "stages" / "00_train"
    assert not (folder / "result.json").exists()
    assert (folder / "resume.safetensors").exists() == (spoil_at > 5)
    if spoil_at > 5:  # mended, the same folder goes on from the last good state to the undisturbed result
        mended = toy.weights(toy.run(toy.plain(), tmp_path))
        straight = toy.weights(toy.run(toy.plain(), tmp_path / "straight"))
        assert all(torch.equal(mended[key], straight[key]) for key in straight)


@pytest.mark.parametrize(("spoil_at", "kept"), [(3, "the weights it began with"), (7, "its best weights so far")])
def test_a_stage_that_has_a_fallback_keeps_its_best_weights_or_its_start_and_ends(toy, tmp_path, spoil_at, kept):
    def falling(stage):
        return dataclasses.replace(
            stage, prepare=lambda done: dataclasses.replace(stage.prepare(done), fallback="Lower it.")
        )

    (stage,) = toy.plain(spoil_at=spoil_at)
    start = {key: value.clone() for key, value in stage.prepare({}).modules["model"].state_dict().items()}
    done = toy.run([falling(stage)], tmp_path / "spoilt", keep="best")
    said = done["train"].describe["diverged"]
    assert said.endswith(f"so {kept} are kept. Lower it.")
    assert f"epoch {spoil_at // 5 + 1}, step {spoil_at % 5 + 1} of 5" in said
    weights = done["train"].weights("model")
    assert all(torch.isfinite(value).all() for value in weights.values())
    assert all(torch.equal(weights[key], start[key]) for key in start) == (spoil_at < 5)
    assert not (tmp_path / "spoilt" / "stages" / "00_train" / "resume.safetensors").exists()
