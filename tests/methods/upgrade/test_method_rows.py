"""What the table says of each method holds: its paper, when to take another, what it needs, where it begins."""

import dataclasses
import re
from pathlib import Path

import pytest
import torch

import modelheir
from modelheir.checks import InputError
from modelheir.methods import METHODS
from modelheir.models import load

CARDS = Path(__file__).parents[3] / "docs" / "methods"
DATA = "synthetic:n=96,classes=3,size=8"


def part(name, title):
    """Return a paragraph of a method's card; "" where it has none."""
    return (CARDS / f"{name}.md").read_text().partition(f"**{title}.** ")[2].partition("\n\n")[0]


@pytest.mark.parametrize("name", METHODS)
def test_paper_is_the_first_reference_of_the_card(name):
    reference, paper = part(name, "Reference"), METHODS[name].paper
    assert bool(reference) == bool(paper)
    for found in (r"^\w+", r"arXiv:\d{4}\.\d{5}"):
        assert re.findall(found, reference)[:1] == re.findall(found, paper)


@pytest.mark.parametrize("name", METHODS)
def test_row_and_card_say_when_to_take_another(name):
    card, row = part(name, "When not"), METHODS[name].not_for
    assert card
    assert row
    assert all(f"[{other}](" in card for other in METHODS if other in row.replace("(", " ").replace(")", " ").split())


@pytest.mark.parametrize("name", METHODS)
def test_an_old_model_is_needed_where_the_card_begins_with_it(name, world, tmp_path):
    needs = part(name, "Inputs").startswith("`--old`")
    assert METHODS[name].needs_old == needs
    if needs:
        with pytest.raises(InputError, match=f"train {name} needs --old"):
            modelheir.train(name, data=DATA, out=str(tmp_path / "run"))
    else:
        fit = dataclasses.replace(world.fit, epochs=6)  # the fewest in which a bank of logits fills
        assert world.plan(name, world.given(old=[], fit=fit), **world.small(name))[0].prepare({}).objective


@pytest.mark.parametrize(
    ("name", "settings", "begins"),
    [
        ("finetune", {}, False),
        ("finetune", {"start": "run"}, True),
        ("upgrade", {}, False),
        ("upgrade", {"start_from_old": True}, True),
        ("elodi", {"ensemble": ("run",)}, False),
        ("elodi", {"ensemble": ("run",), "start_from_old": True}, True),
        ("bct", {}, False),
        ("interpolate", {}, True),
        ("self_distill", {"weight": 0.0}, False),
    ],
)
def test_training_begins_with_the_weights_that_the_row_names(world, name, settings, begins):
    names = {"run": world.old, ("run",): (world.old,)}
    settings = {key: names.get(value, value) for key, value in settings.items()}
    address = METHODS[name].start(world.config(name, **settings), (world.old,))
    assert bool(address) == begins
    model = world.plan(name, **settings)[0].prepare({}).modules["model"]
    expected = (load(address) if address else world.given().model.build()).state_dict()
    found = {key.removeprefix("model."): value for key, value in model.state_dict().items()}  # of a transplant
    assert all(torch.equal(found[key], value) for key, value in expected.items())


@pytest.mark.parametrize("name", ["upgrade", "elodi"])
def test_without_an_old_model_nothing_begins_from_one(world, name):
    assert METHODS[name].start(world.config(name, start_from_old=True), ()) == ""


def test_members_that_know_nothing_are_no_teachers_and_a_start_may_know_nothing(world, tmp_path):
    given = {"data": DATA, "model": "mlp", "epochs": 1, "quiet": True}
    with pytest.raises(InputError, match=r"--method\.ensemble"):
        modelheir.train("elodi", **given, out=str(tmp_path / "a"), method={"ensemble": [world.old]})
    modelheir.train("finetune", **given, out=str(tmp_path / "b"), method={"start": world.old})


def test_members_of_other_classes_are_refused(world):
    fewer = world.save_model("fewer", classes=world.given().data.classes[:2])
    with pytest.raises(InputError, match="fewer"):
        world.plan("elodi", ensemble=(fewer,))[0].prepare({})
