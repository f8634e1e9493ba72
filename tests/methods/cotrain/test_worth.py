"""What views are worth: in sentences and in JSON, by the heads on the labels alone."""

import json

import pytest

from modelheir.methods.cotrain.worth import worth_of_views


@pytest.fixture
def built(make_build, finished):
    build = make_build(labels="0.3")
    return build, build.heads(), {"supervised": finished(build, build.heads())}


def test_views_the_joint_prediction_and_teaching_are_told(built, finished):
    build, _, done = built
    told, lines = worth_of_views(build, done, build.heads(4))
    assert set(json.loads(json.dumps(told, allow_nan=False))) == {"fitness", "translations"}
    text = "\n".join(lines)
    for part in ("pixels:left has", "pixels:right has", "the joint prediction has", "after teaching", "agree on"):
        assert part in text
    assert "concatenation" not in text
    assert not any(line.startswith("the ") for line in lines)
    done["concatenated"] = finished(build, {"all": build.wide_head()})
    assert "the concatenation has" in "\n".join(worth_of_views(build, done, build.heads(4))[1])


def test_heads_that_were_taught_nothing_gain_nothing(built):
    build, heads, done = built
    assert "after teaching" not in "\n".join(worth_of_views(build, done, heads)[1])
    assert "after teaching" not in "\n".join(worth_of_views(build, done, {"all": build.wide_head()})[1])


def test_without_heads_on_the_labels_nothing_is_told(built):
    assert worth_of_views(built[0], {}, built[1]) == ({}, [])


def test_three_views_are_judged_pair_by_pair(make_build, finished):
    build = make_build(views=("pixels:left", "pixels:right", "pixels:even"), labels="0.3")
    told, lines = worth_of_views(build, {"supervised": finished(build, build.heads())}, build.heads(2))
    assert len(told["translations"]) == 6
    assert sum("agree on" in line for line in lines) == 3
