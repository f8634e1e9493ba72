"""What a seed's stages share: who is labelled, what is the pool, how heads are made and put together."""

import numpy as np
import pytest
import torch

from modelheir.metrics.joint import joint_probabilities


def test_labelled_and_pool_are_the_training_images_and_no_more(make_build, plain):
    build, train = make_build(), plain.data.splits["train"]
    assert sorted([*build.labelled.ids, *build.pool.ids]) == sorted(train.ids)
    assert np.bincount(build.labelled.labels).tolist() == [5, 5, 5]
    assert set(build.pool.labels.tolist()) == {-1}
    known = dict(zip(train.ids, train.labels, strict=True))
    assert [known[one] for one in build.labelled.ids] == build.labelled.labels.tolist()


def test_moments_are_of_all_training_vectors(make_build):
    build = make_build()
    for view, moments in enumerate(build.moments):
        vectors = np.concatenate([one.read(np.arange(len(one)))[view] for one in (build.labelled, build.pool)])
        np.testing.assert_allclose(moments[0], vectors.mean(0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(moments[1], vectors.std(0), rtol=1e-4, atol=1e-6)


def test_the_prior_counts_one_more_of_each(make_build):
    build = make_build(labels="0.5")
    counts = np.array([sum(build.labelled.labels == number) for number in range(3)])
    assert len(set(counts.tolist())) > 1
    np.testing.assert_allclose(build.prior, (counts + 1) / (counts.sum() + 3))


def test_an_epoch_is_as_long_as_the_pool(make_build):
    build = make_build()
    assert build.steps == len(build.pool) // 8
    stream = build.repeated(build.views.stream(build.labelled, train=True))
    assert len(stream) == build.steps


def test_heads_are_drawn_by_seed_and_number(make_build, world, plain):
    def weights(build, number=0):
        return {name: head.state_dict() for name, head in build.heads(number).items()}

    first, again, second = weights(make_build()), weights(make_build()), weights(make_build(), 1)
    other = weights(make_build(plain.member(1)))
    key = "layers.hidden.0.weight"
    assert all(torch.equal(first[name][key], again[name][key]) for name in first)
    drawn = [one[name][key] for one in (first, second, other) for name in first]
    assert all(not torch.equal(a, b) for n, a in enumerate(drawn) for b in drawn[:n])


def test_names_given_to_the_pool_stand_beside_the_labels(make_build):
    build = make_build()
    both = build.named(np.array([4, 1]), np.array([2, 0]))
    assert both.ids.tolist() == [*build.labelled.ids, build.pool.ids[4], build.pool.ids[1]]
    assert both.labels.tolist() == [*build.labelled.labels, 2, 0]
    np.testing.assert_array_equal(both.read(np.array([15]))[1], build.pool.read(np.array([4]))[1])


def test_logits_are_each_head_s_of_its_view_in_evaluation_mode(make_build):
    build = make_build(head__dropout=0.5)
    heads = {name: head.train() for name, head in build.heads().items()}
    said = build.logits(heads, build.pool)
    vectors = build.pool.read(np.arange(len(build.pool)))
    for head, logits, view in zip(heads.values(), said, vectors, strict=True):
        expected = head.eval()(torch.from_numpy(view)).logits.detach()
        torch.testing.assert_close(torch.from_numpy(logits), expected)
    again = build.logits(heads, build.pool)
    assert all((one == other).all() for one, other in zip(said, again, strict=True))


def test_one_head_on_all_views_reads_them_side_by_side(make_build):
    build = make_build()
    head, vectors = build.wide_head(), build.labelled.read(np.arange(len(build.labelled)))
    (said,) = build.logits({"all": head}, build.labelled)
    expected = head.eval()(torch.from_numpy(np.concatenate(vectors, 1))).logits.detach()
    torch.testing.assert_close(torch.from_numpy(said), expected)
    scaled = (np.concatenate(vectors, 1) - np.concatenate([one[0] for one in build.moments])) / np.maximum(
        np.concatenate([one[1] for one in build.moments]), 1e-12
    )
    kept = np.concatenate([one[1] for one in build.moments]) > 1e-6
    np.testing.assert_allclose(build.wide(build.labelled)[:, kept], scaled[:, kept], rtol=1e-3, atol=1e-4)


def test_the_classifier_says_the_product_of_what_heads_say(make_build):
    build = make_build()
    heads = build.heads()
    whole = build.classifier(heads).eval()
    vectors = [torch.from_numpy(one) for one in build.pool.read(np.arange(6))]
    each = [head.eval()(view).logits.softmax(1) for head, view in zip(heads.values(), vectors, strict=True)]
    product = each[0] * each[1]
    torch.testing.assert_close(whole.on_views(vectors).logits.softmax(1), product / product.sum(1, keepdim=True))


@pytest.mark.parametrize("views", [("pixels:left", "pixels:right", "pixels:top")])
def test_three_views_have_three_heads(make_build, views):
    assert list(make_build(views=views).heads()) == ["view_1", "view_2", "view_3"]


@pytest.mark.parametrize("rule", ["product", "prior_product", "mean"])
def test_the_rule_by_which_views_predict_together_reaches_the_classifier(make_build, rule):
    build = make_build(joint=rule)
    heads, rows = build.heads(), np.arange(len(build.labelled))
    model = build.classifier(heads).eval()
    with torch.no_grad():
        said = model.on_views([torch.from_numpy(one) for one in build.labelled.read(rows)]).logits.numpy()
    each = build.logits(heads, build.labelled)
    expected = joint_probabilities(each, rule=rule, prior=build.prior)
    np.testing.assert_allclose(np.exp(said), expected, rtol=1e-4)
