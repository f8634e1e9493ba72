from modelheir.assemble.averaging.result import Averaged, result_rows
from modelheir.runs.folder import RunFolder

ROW = {
    **{"model": "swa", "n": 50, "accuracy": 0.8, "accuracy_interval": [0.7, 0.9], "nfr": 0.02, "pfr": 0.04},
    **{"as_averaged": None, "members": ["step 1", "step 2"], "of": 3, "loss": 0.5},
}
LAST = {"model": "swa", "n": 90, "nfr": 0.0, "nfr_interval": [0.0, 0.04], "pfr": None, "accuracy_gain": 0.0}
TABLE = {
    **{"chosen": "swa", "of": 3, "in_time": True, "old": "run:v1", "best": "step 2", "said": "Chosen: swa."},
    **{"ways": [ROW, {**ROW, "model": "lawa:2"}], "alone": [], "notes": [], "reported": [{"model": "run:v1"}, LAST]},
}


def test_result_tells_flips_ways_and_the_choice():
    rows = result_rows(TABLE)
    assert list(rows) == ["test/nfr", "test/accuracy_gain", "way/swa", "way/lawa:2", "average"]
    assert rows["test/nfr"] == {
        **{"value": 0.0, "unit": "fraction", "direction": "lower is better", "count": 90, "interval": [0.0, 0.04]},
        **{"confidence": 0.95, "old": "run:v1"},
    }
    assert "interval" not in rows["test/accuracy_gain"]
    assert [rows[f"way/{name}"]["chosen"] for name in ("swa", "lawa:2")] == [True, False]
    assert (rows["way/swa"]["value"], rows["way/swa"]["split"], rows["way/swa"]["count"]) == (0.8, "val", 50)
    assert (rows["average"]["value"], rows["average"]["count"], rows["average"]["note"]) == (2, 50, "Chosen: swa.")


def test_without_reporting_images_there_are_no_flips():
    assert list(result_rows({**TABLE, "reported": []})) == ["way/swa", "way/lawa:2", "average"]


def test_what_was_written_is_read_back(tmp_path):
    folder = RunFolder(tmp_path)
    folder.stage(0, "average").finish({}, {"average": TABLE})
    found = Averaged.read(folder)
    assert (found.path, found.chosen, found.ways, found.notes) == (tmp_path, "swa", tuple(TABLE["ways"]), ())
