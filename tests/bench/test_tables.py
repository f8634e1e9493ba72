"""Tables of a benchmark: a cell is the mean of its seeds, and what is missing is seen."""

import csv

import pytest

from modelheir.bench.rows import Row
from modelheir.bench.tables import length_tables, sequence_tables, step_rows, write_tables
from modelheir.checks import InputError


def rows(*, missing=()):
    found = []
    for network, base in (("net", 0.5), ("mlp", 0.3)):
        for seed in (0, 1):
            for k, name in enumerate(("erm_final", "linear_probe_fine_tune", "wise_ft")):
                if (network, seed, name) in missing:
                    found.append(Row("s", network, seed, name, "failed"))
                else:
                    found.append(Row("s", network, seed, name, "finished", base + 0.1 * k + 0.02 * seed, 0.5, 100))
    return found


def test_a_cell_is_the_mean_of_its_seeds():
    table = sequence_tables(rows())["s"]
    assert [column.name for column in table.columns] == ["Final", "LP-FT", "wise_ft"]
    by = {row.name: row.cells for row in table.rows}
    assert by["net"]["LP-FT"].mean == pytest.approx(0.61)
    assert by["mlp"]["wise_ft"].values == pytest.approx((0.5, 0.52))
    assert [by["net"][column.name].rank for column in table.columns] == [3, 2, 1]


def test_a_failed_cell_is_seen(tmp_path):
    gone = {("net", seed, "wise_ft") for seed in (0, 1)}
    tables = sequence_tables(rows(missing=gone))
    write_tables(tmp_path / "tables", tables.items())
    text = (tmp_path / "tables" / "s.md").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("| net ")]
    assert "failed" in line


def test_the_oracle_has_a_column_in_the_table_of_its_sequence():
    found = [*rows(), *(Row("s_oracle", "net", seed, "erm_final", "finished", 0.9, 0.9, 100) for seed in (0, 1))]
    (table,) = sequence_tables(found).values()
    assert [column.name for column in table.columns] == ["Final", "LP-FT", "Oracle", "wise_ft"]
    by = {row.name: row.cells for row in table.rows}
    assert by["net"]["Oracle"].values == (0.9, 0.9)
    assert by["mlp"]["Oracle"].mean is None


def test_deviations_over_seeds_have_a_table_of_their_own(tmp_path):
    """By hand: the deviation of a sample of two, 0.02 apart, is 0.02 / sqrt(2)."""
    write_tables(tmp_path / "tables", sequence_tables(rows()).items())
    lines = (tmp_path / "tables" / "s_deviations.tex").read_text().splitlines()
    assert any(line.startswith("net ") and ".61 (.01)" in line for line in lines)


def test_every_step_with_images_is_a_row():
    steps = {"names": ["a", "b", "c"], "images": [10, 0, 20], "accuracy": [[None] * 3, [None] * 3, [0.25, None, 0.75]]}
    found = step_rows([*rows(), Row("s", "net", 2, "erm_all", "finished", 0.75, 0.5, 20, at_steps=steps)])
    assert [(one["time_step"], one["name"], one["images"], one["accuracy"]) for one in found] == [
        (0, "a", 10, 0.25), (2, "c", 20, 0.75),
    ]  # fmt: skip
    assert {one["strategy"] for one in found} == {"erm_all"}


def test_three_kinds_of_file_hold_the_same(tmp_path):
    made = write_tables(tmp_path / "tables", sequence_tables(rows()).items())
    assert made == [tmp_path / "tables" / "s.md"]
    found = list(csv.DictReader((tmp_path / "tables" / "s.csv").read_text().splitlines()))
    value = next(row["accuracy"] for row in found if (row["row"], row["column"]) == ("net", "LP-FT"))
    assert float(value) == pytest.approx(0.61)
    assert "LP-FT" in made[0].read_text()
    assert r"\begin{tabular}" in (tmp_path / "tables" / "s.tex").read_text()


def test_a_row_is_a_length_of_the_sequence(tmp_path):
    """Sequences in the order of their steps; of one length by their names too; a table a network."""
    found = [
        Row(sequence, network, 0, "erm_final", "finished", value, 0.5, 100, steps)
        for network in ("net", "mlp")
        for sequence, steps, value in (("long", 8, 0.2), ("short", 2, 0.6), ("other", 8, 0.4))
    ]
    tables = length_tables(found)
    assert list(tables) == ["net", "mlp"]
    assert [(row.name, row.cells["Final"].mean) for row in tables["net"].rows] == [
        ("2", 0.6), ("8 (long)", 0.2), ("8 (other)", 0.4),
    ]  # fmt: skip
    (path, _) = write_tables(tmp_path, tables.items())
    assert path.read_text().startswith("| Steps |")
    with pytest.raises(InputError, match=r"sequence s does not say how many steps it has: give it method\.steps"):
        length_tables(rows())
