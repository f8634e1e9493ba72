"""What is left aside is told, and lengths of steps are those of the recipes."""

import pytest

from modelheir.checks import InputError, validate
from modelheir.config.unread import refuse_unread
from modelheir.objective.adversarial import AdversarialConfig


def test_steps_have_the_lengths_of_the_recipes():
    """Fast-AT: 10/255 for a bound of 8/255. PGD-10: 2/255. GAT: the bound itself."""
    assert AdversarialConfig(loss="adversarial").length == pytest.approx(10 / 255)
    assert AdversarialConfig(loss="adversarial", attack="pgd").length == pytest.approx(2 / 255)
    assert AdversarialConfig(loss="gat").length == pytest.approx(8 / 255)
    assert AdversarialConfig(loss="gat", step_size=0.5).length == 0.5
    assert [AdversarialConfig(loss=loss).pull for loss in ("adversarial", "trades", "gat")] == [0.0, 6.0, 10.0]
    assert AdversarialConfig(loss="trades", weight=0.0).pull == 0.0
    assert (AdversarialConfig().taken, AdversarialConfig(attack="pgd", steps=7).taken) == (1, 7)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (AdversarialConfig(epsilon=0.1), "epsilon = 0.1 has no effect with loss = 'none'"),
        (AdversarialConfig(loss="adversarial", weight=1.0), "weight = 1.0 has no effect with loss = 'adversarial'"),
        (AdversarialConfig(loss="gat", steps=3), "steps = 3 has no effect with attack = 'fgsm'"),
    ],
)
def test_what_has_no_effect_is_refused(config, said):
    with pytest.raises(InputError, match=said):
        refuse_unread(config, AdversarialConfig())


def test_what_is_read_is_not_refused():
    refuse_unread(
        AdversarialConfig(loss="trades", attack="pgd", steps=3, weight=1.0, grad_align=0.2), AdversarialConfig()
    )


def test_limits_are_told():
    with pytest.raises(InputError, match=r"epsilon = 1\.5: must be from 0 to 1"):
        validate(AdversarialConfig(epsilon=1.5))
    with pytest.raises(InputError, match="Did you mean 'adversarial'"):
        validate(AdversarialConfig(loss="AT"))
