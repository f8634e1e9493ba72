import pytest
import torch

from modelheir.classes import match_classes
from modelheir.losses import kl_distillation, masked_mean
from modelheir.objective import ClassMap


def class_map(new, old):
    return ClassMap(match_classes(new, old))


def test_by_name_in_any_order(draw):
    names = ["cat", "dog", "owl", "bee"], ["owl", "ant", "cat"]
    new, old, labels = draw(6, 4), draw(6, 3), torch.tensor([0, 1, 2, 3, -1, 2])
    shared = class_map(*names)(new, old, labels)
    for column, name in enumerate(["cat", "owl"]):
        assert torch.equal(shared.new[:, column], new[:, names[0].index(name)])
        assert torch.equal(shared.old[:, column], old[:, names[1].index(name)])
    assert shared.labels.tolist() == [0, -1, 1, -1, -1, 1]
    assert shared.mask.tolist() == [True, False, True, False, False, True]


@pytest.mark.parametrize("old", [3, ["a", "b", "c"]])
def test_by_common_prefix_without_names(draw, old):
    mapping = class_map(5, old)
    shared = mapping(draw(4, 5), draw(4, 3), torch.tensor([0, 2, 3, 4]))
    assert shared.labels.tolist() == [0, 2, -1, -1]
    assert mapping.is_new().tolist() == [False, False, False, True, True]


def test_same_classes_pass_through(draw):
    new, old, labels = draw(3, 2), draw(3, 2), torch.tensor([0, 1, -1])
    shared = class_map(["a", "b"], ["a", "b"])(new, old, labels)
    assert shared.new is new
    assert shared.old is old
    assert shared.mask.tolist() == [True, True, False]
    assert not class_map(["a", "b"], ["b", "a"]).identical


def test_more_old_classes_than_new(draw):
    shared = class_map(2, 4)(draw(3, 2), draw(3, 4), torch.tensor([0, 1, -1]))
    assert shared.new.shape == shared.old.shape == (3, 2)


def test_no_shared_image_gives_zero_and_a_gradient_of_zero(draw):
    new, old = draw(3, 4).requires_grad_(), draw(3, 2)
    shared = class_map(4, 2)(new, old, torch.tensor([2, 3, 3]))
    value = masked_mean(kl_distillation(shared.new, shared.old), shared.mask)
    value.backward()
    assert value.item() == 0
    assert new.grad is not None
    assert new.grad.eq(0).all()


def test_it_holds_nothing_to_save_and_follows_the_device():
    mapping = class_map(3, 2)
    assert not mapping.state_dict()
    assert {name for name, _ in mapping.named_buffers()} == {"new_index", "old_index", "position"}


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match="at least one shared class"):
        ClassMap(match_classes(["a"], ["b"], may_differ=True))


def test_refuses_logits_of_another_width(draw):
    with pytest.raises(ValueError, match="for 3 new and 2 old classes, got logits with 4 and 2"):
        class_map(3, 2)(draw(1, 4), draw(1, 2), torch.tensor([0]))
    with pytest.raises(ValueError, match=r"old must have two dimensions \(N, C\), got shape \(2,\)"):
        class_map(3, 2)(draw(2, 3), draw(2), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="lengths must be equal: new has 2, old has 1"):
        class_map(3, 2)(draw(2, 3), draw(1, 2), torch.tensor([0, 1]))
