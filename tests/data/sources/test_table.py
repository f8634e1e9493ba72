import pytest

from modelheir.checks import InputError
from modelheir.data.sources.table import SOURCES, open_source


def test_unknown_kinds_offer_the_nearest(config):
    with pytest.raises(InputError, match=r"unknown data source 'foldr'. Did you mean 'folder'"):
        open_source("foldr:x", config)


def test_digits_come_as_they_are(config):
    assert list(open_source("digits", config)) == ["train"]
    assert len(SOURCES) == 10


def test_a_history_is_no_single_data_set(config):
    with pytest.raises(InputError, match=r"'sequence:s.yaml' is a history of several data sets"):
        open_source("sequence:s.yaml", config)


def test_a_path_without_its_kind_is_offered_one(tmp_path, config):
    (tmp_path / "set.parquet").write_text("")
    (tmp_path / "set.txt").write_text("")
    for place, kind in ((tmp_path, "folder"), (tmp_path / "set.parquet", "parquet"), (tmp_path / "set.txt", "list")):
        with pytest.raises(InputError, match=f"does not say its kind: write {kind}:"):
            open_source(str(place), config)
