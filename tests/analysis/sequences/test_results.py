import dataclasses

from modelheir.analysis.sequences.results import PUBLISHED, Result, architecture_name, as_published, borrow

ONE = Result("resnet 4 blocks", "erm_all", "source6000:rotation4000", 1007, 0.5)


def test_the_columns_are_the_published_ones_and_take_each_run_once():
    names = [column.name for column in PUBLISHED]
    said = "4k ERM IRM DRO FT LP-FT I-FT D-FT ST-1 ST-B SFT EWC SST-1 SST-B JM JST-1 JST-B 20k"
    assert names == said.split()
    assert [column.half for column in PUBLISHED] == [0] * 10 + [1] * 8
    assert [column.name for column in PUBLISHED if column.oracle] == ["20k"]
    methods = [method for column in PUBLISHED for method in (column.name, *column.methods)]
    assert len(set(methods)) == len(methods)
    for method in methods:
        assert sum(column.takes(method) for column in PUBLISHED) == 1


def test_networks_have_short_names():
    names = ["convnet 1 blocks", "densenet 2 blocks", "resnet 4 blocks", "blocks_resnet_3_blocks", "tv:resnet18"]
    assert [architecture_name(name) for name in names] == ["Conv-1", "Dense-2", "Res-4", "Res-3", "tv:resnet18"]


def test_side_tuning_of_convnets_stands_in_the_first_column():
    moves = {
        "erm_side_tune_block": "erm_side_tune",
        "sequential_side_tune_block": "sequential_side_tune",
        "joint_model_side_tune_block_adjacent_reg_none": "joint_model_side_tune_adjacent_reg_none",
        "JST-B": "JST-1",
        "erm_all": "erm_all",
    }
    for method, there in moves.items():
        conv = dataclasses.replace(ONE, architecture="convnet 3 blocks", method=method)
        assert as_published(conv).method == there
        assert as_published(dataclasses.replace(ONE, method=method)).method == method


def test_only_what_is_lacking_is_borrowed_and_says_so():
    rows = [
        Result("Res-4", "4k", "RCL", 1, 0.5),
        Result("Res-4", "20k", "RCL", 1, 0.9),
        Result("Res-4", "FT", "RCL", 1, 0.6),
        Result("Res-4", "4k", "CLR", 1, 0.4),
        Result("Res-3", "4k", "CLR", 1, 0.3),
    ]
    last = [column for column in PUBLISHED if column.name in ("4k", "20k")]
    found = borrow(rows, {"CLR": "RCL", "RCL": "CLR"}, columns=last)
    assert found[:5] == rows
    added = {(one.sequence, one.architecture, one.method, one.accuracy, one.borrowed) for one in found[5:]}
    assert added == {("CLR", "Res-4", "20k", 0.9, "RCL"), ("RCL", "Res-3", "4k", 0.3, "CLR")}
