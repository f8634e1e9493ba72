from modelheir.analysis.sequences.results import PUBLISHED


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
