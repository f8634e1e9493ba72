"""Pages of run folders: pictures are found where the runs were trained, and the command is the one that was typed."""

import json
import re
import shlex
import shutil

import numpy as np
import pytest
from PIL import Image

import modelheir
from modelheir.assemble.pages import find_images
from modelheir.checks import InputError
from modelheir.cli import main
from modelheir.config.inputs import InputConfig
from modelheir.data import open_splits
from modelheir.runs.folder import RunFolder
from modelheir.runs.predictions import write_predictions
from modelheir.types import Predictions

EMPTY = "The images themselves were not at hand"


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two run folders about the same eight images of a folder, and predictions that differ on three."""
    monkeypatch.chdir(tmp_path)
    for split in ("train", "val", "test"):
        for name, shade in (("cat", 60), ("dog", 200)):
            folder = tmp_path / "my photos" / split / name
            folder.mkdir(parents=True)
            for k in range(4):
                Image.new("RGB", (8, 8), (shade, 10 * k, 0)).save(folder / f"{k}.png")
    split = open_splits("folder:my photos", InputConfig())["test"]
    ids, label = np.asarray(split.ids), np.repeat([0, 1], 4)
    for name, wrong in (("v 1", [0]), ("v2", [1, 2])):
        run = RunFolder(tmp_path / name)
        run.set_status("finished")
        run.config.write_text(f"data: folder:my photos\nseed: 1\nold: [{'' if wrong == [0] else 'v 1'}]\n")
        run.environment.write_text(json.dumps({"command": ["modelheir", "train", "finetune", "--out", name]}))
        run.predictions("test").parent.mkdir()
        said = label.copy()
        said[wrong] = 1 - said[wrong]
        write_predictions(run.predictions("test"), Predictions(ids, label, said, classes=tuple(split.classes)))
    return tmp_path


def pictures(page):
    return page.read_text(encoding="utf-8").count("<img ")


def typed(page, title):
    """Return the command that a page shows for one of its sources, as words."""
    block = page.read_text(encoding="utf-8").split(f"<summary>{title}</summary>")[1].split("</details>")[0]
    shown = re.search(r"command</th><td class=\"mono\">(.*?)</td>", block, re.S).group(1)
    return shown.strip().replace("&#39;", "'").replace("&#34;", '"')


def test_compare_and_report_find_the_same_pictures(runs, capsys):
    compared, reported = runs / "c.html", runs / "r.html"
    words = ["compare", "v 1", "run:v2", "--max-nfr", "0.9", "--html", str(compared)]
    assert main(words) == 0
    assert main(["report", "v2", "--old", "v 1", "--html", str(reported)]) == 0
    assert pictures(compared) == pictures(reported) == 3
    assert shlex.split(typed(compared, "this comparison")) == ["modelheir", *words]
    assert typed(compared, "v 1") == "modelheir train finetune --out 'v 1'"
    report = ["modelheir", "report", "v2", "--old", "v 1", "--html", str(reported)]
    assert shlex.split(typed(reported, "this page")) == report


def test_a_call_from_python_is_shown_as_the_call(runs):
    _, page = modelheir.write_report(["v2"], old="v 1", html="r.html")
    assert typed(page, "this page") == "modelheir.write_report(['v2'], old='v 1', html='r.html')"


def test_pictures_that_were_moved_leave_a_list(runs, capsys):
    shutil.move("my photos", "elsewhere")
    page = runs / "c.html"
    assert main(["compare", "v 1", "v2", "--html", str(page)]) == 0
    assert (pictures(page), EMPTY in page.read_text()) == (0, True)
    assert main(["compare", "v 1", "v2", "--html", str(page), "--data", "folder:elsewhere"]) == 0
    assert pictures(page) == 3
    assert main(["compare", "v 1", "v2", "--html", str(page), "--data", "folder:nowhere"]) == 2  # what is asked for


def test_files_of_predictions_have_no_pictures_unless_data_is_named(runs, capsys):
    files = [str(RunFolder(name).predictions("test")) for name in ("v 1", "v2")]
    page = runs / "c.html"
    assert main(["compare", *files, "--html", str(page)]) == 0
    assert EMPTY in page.read_text()
    assert main(["compare", *files, "--html", str(page), "--data", "folder:my photos"]) == 0
    assert pictures(page) == 3
    assert find_images("", None) is None
    with pytest.raises(InputError):
        find_images("folder:nowhere", None)(["a"])  # type: ignore[misc]
