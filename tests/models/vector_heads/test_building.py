"""Heads on vectors from settings and again from a run: every setting arrives, weights come back bit by bit."""

import json

import pytest
import torch

from modelheir import models, runs
from modelheir.checks import InputError
from modelheir.config.unread import refuse_unread
from modelheir.config.vector_head import VectorHeadConfig
from modelheir.models import Moments, build_vector_head, from_spec, load
from modelheir.runs.files import write_json
from modelheir.runs.folder import RunFolder

CLASSES = ["a", "b", "c"]
MLP = {"kind": "mlp", "hidden": (6, 5)}
FCNN = {"kind": "fcnn", "hidden": (6, 5)}


def build(seed=0, moments=None, **settings):
    return build_vector_head(VectorHeadConfig(**settings), width=4, classes=CLASSES, seed=seed, moments=moments)


def said(head, x):
    torch.manual_seed(0)  # of dropout
    return head(x).logits


@pytest.mark.parametrize(
    ("before", "changed"),
    [
        ({}, {"kind": "mlp"}),
        (MLP, {"hidden": (6, 4)}),
        (MLP, {"dropout": 0.5}),
        (FCNN, {"dropout": 0.5}),
        (MLP, {"batch_norm": True}),
        (FCNN, {"documented": True}),
        (MLP, {"members": 2}),
        ({}, {"temperature": 2.0}),
        ({}, {"normalise": "l2"}),
        ({}, {"normalise": "none"}),
    ],
)
def test_every_setting_reaches_the_head(draw, before, changed):
    x, moments = draw(8, 4), Moments(torch.ones(4), torch.full((4,), 2.0))
    one, other = build(moments=moments, **before), build(moments=moments, **{**before, **changed})
    assert not torch.equal(said(one, x), said(other, x))


def test_every_field_has_a_case():
    assert set(VectorHeadConfig.__dataclass_fields__) == {
        "kind", "hidden", "dropout", "batch_norm", "documented", "members", "temperature", "normalise",
    }  # fmt: skip


def test_what_a_kind_does_not_read_is_refused():
    for config in (
        VectorHeadConfig(dropout=0.5),
        VectorHeadConfig(kind="mlp", documented=True),
        VectorHeadConfig(kind="fcnn", batch_norm=True),
    ):
        with pytest.raises(InputError, match=rf"has no effect with head\.kind = '{config.kind}'"):
            refuse_unread(config, VectorHeadConfig(kind=config.kind), "head")
    refuse_unread(VectorHeadConfig(kind="fcnn", documented=True, dropout=0.5), VectorHeadConfig(), "head")


def test_the_seed_alone_decides_the_weights():
    before = torch.get_rng_state()
    one, same, other = build(**MLP), build(**MLP), build(seed=1, **MLP)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    several = build(members=3, **MLP)
    first = dict(one.layers.named_parameters())
    for name, value in several.layers.members.named_parameters():
        assert torch.equal(value[0], first[name])
        assert not torch.equal(value[0], value[1])


@pytest.mark.parametrize(
    "settings", [{}, {**MLP, "batch_norm": True}, {**FCNN, "members": 3, "documented": True}, {"normalise": "l2"}]
)
def test_a_run_gives_the_same_head_back(draw, tmp_path, settings):
    """Through JSON and the weights' file, as runs are read."""
    moments = Moments(torch.ones(4), torch.full((4,), 2.0))
    made, x = build(moments=moments, temperature=0.5, seed=4, **settings), draw(8, 4)
    made(x)  # moves statistics of batch norms
    again = from_spec(json.loads(json.dumps(made.spec)))
    assert isinstance(again, models.VectorHead)
    again.load_state_dict(made.state_dict())
    assert torch.equal(again.eval()(x).logits, made.eval()(x).logits)
    folder = RunFolder(tmp_path / "run")
    write_json(folder.model, made.spec)
    runs.save_weights(folder.weights, made.state_dict())
    loaded = load(f"run:{folder.path}", classes=CLASSES)
    assert torch.equal(loaded.eval()(x).logits, made(x).logits)
    assert again.spec == made.spec == loaded.spec


def test_descriptions_that_do_not_fit_are_refused():
    spec = build().spec
    with pytest.raises(InputError, match="the model's description lacks 'width'"):
        from_spec({key: value for key, value in spec.items() if key != "width"})
    with pytest.raises(InputError, match="unknown setting 'kinds'"):
        from_spec({**spec, "vectors": {"kinds": "mlp"}})


def test_bad_settings_are_refused():
    with pytest.raises(InputError, match=r"head\.kind = 'mpl': must be one of linear, mlp, fcnn"):
        build(kind="mpl")
    with pytest.raises(InputError, match=r"head\.temperature = 0\.0: must be > 0"):
        build(temperature=0.0)
    with pytest.raises(InputError, match=r"head\.members = 0"):
        build(members=0)
    with pytest.raises(InputError, match=r"head\.hidden = 0"):
        build(kind="mlp", hidden=(4, 0))
    with pytest.raises(InputError, match="at least one class"):
        build_vector_head(VectorHeadConfig(), width=4, classes=[])
    with pytest.raises(InputError, match="differ from each other"):
        build_vector_head(VectorHeadConfig(), width=4, classes=["a", "a"])
    with pytest.raises(ValueError, match="width must be >= 1"):
        build_vector_head(VectorHeadConfig(), width=0, classes=CLASSES)
