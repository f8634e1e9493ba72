"""Columns from a table of metadata: joined by id, never by row; contradictions are refused."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from modelheir.analysis.columns import join_metadata, slice_values
from modelheir.analysis.compare import compare
from modelheir.analysis.pairing import pair_up
from modelheir.checks import InputError
from modelheir.runs.by_id.metadata import Metadata


def table(rows, *names):
    """Make a table from rows of an id and cells."""
    ids = np.array([row[0] for row in rows])
    columns = {name: np.array([row[k + 1] for row in rows], object) for k, name in enumerate(names)}
    return Metadata(Path("meta.csv"), ids, columns)


def test_each_image_gets_the_cell_of_its_own_id(make):
    """Held against a dictionary, and slices counted by a loop."""
    old, new = make(1, order=3), make(2, strength=1.0, order=4)
    kinds = np.random.default_rng(5)
    meta = {f"img{k:03d}": kinds.choice(["jp", "de", "br"]) for k in kinds.permutation(200)[:150]}
    joined, note = join_metadata(old, new, table(list(meta.items()), "country"))
    want = [meta.get(name) for name in old.sample_id.tolist()]
    assert joined.columns["country"].tolist() == want
    assert joined.columns["site"].tolist() == old.columns["site"].tolist()
    assert note == (
        f"meta.csv lacks {want.count(None)} of 120 images "
        f"({', '.join(name for name in old.sample_id.tolist() if name not in meta)[: 5 * 8 - 2]}, ...): "
        "their cells are empty"
    )
    said = dict(zip(new.sample_id.tolist(), new.prediction.tolist(), strict=True))
    broken = {}
    for name, label, answer in zip(old.sample_id.tolist(), old.label.tolist(), old.prediction.tolist(), strict=True):
        count = broken.setdefault(meta.get(name) or "(empty)", [0, 0])
        count[0] += 1
        count[1] += answer == label != said[name]
    found = compare(joined, new, slices=["country"]).slices
    assert {row.name: [row.n, round(row.n * row.rates.nfr.value)] for row in found} == broken


def test_numbers_stay_whole_where_cells_are_empty(make):
    old = make(1, n=3)
    whole = Metadata(Path("m.csv"), np.array(["img001", "img000"]), {"year": np.array([2021, 2020])})
    joined, note = join_metadata(old, make(2, n=3), whole)
    assert joined.columns["year"].tolist() == [2020, 2021, None]
    assert note == "m.csv lacks 1 of 3 images (img002): their cells are empty"
    assert [row.name for row in compare(joined, make(2, n=3), slices=["year"]).slices] == [2020, 2021, "(empty)"]
    full = dataclasses.replace(whole, sample_id=np.array(["img001", "img000", "img002"]))
    full = dataclasses.replace(full, columns={"year": np.array([2021, 2020, 2019])})
    joined, note = join_metadata(old, make(2, n=3), full)
    assert (joined.columns["year"].tolist(), note) == ([2020, 2021, 2019], "")


@pytest.mark.parametrize("side", [0, 1, 2])
def test_a_column_in_both_must_say_the_same(make, side):
    """In the old file, in the new one, or in both; an id that the table lacks contradicts nothing."""
    pair = [make(1, order=1), make(2, order=2)]
    models = [one if side in (2, k) else dataclasses.replace(one, columns={}) for k, one in enumerate(pair)]
    cells = dict(zip(pair[0].sample_id.tolist(), pair[0].columns["site"].tolist(), strict=True))
    rows = [(name, cell) for name, cell in cells.items() if name > "img010"]
    joined, note = join_metadata(models[0], models[1], table(rows, "site"))
    assert note == ""
    assert {name: values.tolist() for name, values in joined.columns.items()} == {
        name: values.tolist() for name, values in models[0].columns.items()
    }
    wrong = [(name, "mars" if name == "img077" else cell) for name, cell in rows]
    whose = "the new file" if side == 1 else "the old file"
    with pytest.raises(
        InputError, match=f"column 'site' of meta.csv differs from that of {whose} for 1 images"
    ) as found:
        join_metadata(models[0], models[1], table(wrong, "site"))
    assert f"such as img077 ('mars' and {cells['img077']!r})" in str(found.value)
    empty = [(name, None if name == "img077" else cell) for name, cell in rows]
    with pytest.raises(InputError, match=r"such as img077 \(an empty cell and"):
        join_metadata(models[0], models[1], table(empty, "site"))


def test_a_table_of_other_images_is_refused(make):
    with pytest.raises(InputError) as found:
        join_metadata(make(1), make(2), table([("1", "jp"), ("2", "de")], "country"), names=("old.csv", "new.csv"))
    assert "meta.csv shares no sample_id with old.csv: it has 1, 2; the images are img000" in str(found.value)


def test_values_are_numbered_in_the_pairs_order(make):
    pair = pair_up(make(1, order=1), dataclasses.replace(make(2), columns={}))
    numbers, words = slice_values(pair, "site")
    assert [words[k] for k in numbers] == pair.old.predictions.columns["site"].tolist()
    with pytest.raises(InputError, match=r"unknown column 'sit'. Did you mean 'site'\?"):
        slice_values(pair, "sit")
