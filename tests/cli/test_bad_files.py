"""What a person can get wrong in the commands after training: one sentence, exit code 2, nothing half-written."""

from pathlib import Path

import pytest

from modelheir.cli import main


def rows(*lines):
    return "\n".join(["sample_id,label,prediction", *lines]) + "\n"


OTHERS = {
    "command": ("import evil.result", "such a file can run code when it is opened"),
    "weights": ("import evil.pth.tar", "such a file can run code when it is opened"),
    "ending": ("import text.parquet", "expected a name ending with .result"),
    "missing": ("compare v1 nope", "nope does not exist."),
    "folder": ("compare v1 good", "make some with `modelheir predict`."),
    "text": ("compare v1 text.parquet", "text.parquet cannot be read as parquet"),
    "labels": ("compare right.csv relabelled.csv", "relabelled.csv has another label than right.csv for 9 images (s0"),
    "ids": ("compare right.csv others.csv", "others.csv lacks 9 sample ids of right.csv (s0"),
    "fewer": ("compare right.csv short.csv", "short.csv lacks 2 sample ids of right.csv (s7, s8)"),
    "twice": ("compare right.csv twice.csv", "(s4) that repeat a sample_id"),
    "rows": ("compare right.csv none.csv", "none.csv holds no rows."),
    "torn": ("compare right.csv torn.csv", "torn.csv cannot be read as csv"),
    "columns": ("compare right.csv columns.csv", "columns.csv has no column 'sample_id'"),
    "infinite": ("compare infinite.csv infinite.csv", "infinite.csv has 1 row (s0) with logits that are not finite"),
    "improper": ("compare improper.csv improper.csv", "with probabilities below 0 or not adding up to 1"),
    "classes": ("compare right.csv right.csv --classes two.txt", "with a label outside the 2 classes, such as 2."),
    "same": ("compare right.csv right.csv --classes same.txt", "the class list names a class twice."),
    "own": ("compare v1 v1 --classes two.txt", "holds 3 class names of its own, which differ from the 2 given."),
    "slice": ("compare right.csv right.csv --slice domain", "there is no column 'domain' to slice by"),
    "bound": ("compare right.csv right.csv --confidence 95", "confidence = 95.0: must be from 0.5 to 0.999999."),
    "json": ("compare right.csv right.csv --json a_file/x.json", "cannot write a_file/x.json: "),
    "html": ("compare right.csv right.csv --html good", "--html good: the page's name must end in .html."),
    "format": ("export v1 --to onx", "unknown format 'onx'. Did you mean 'onnx'?"),
    "no_format": ("export v1 --to=", "--to names no format. Known: safetensors, onnx."),
    "file": ("export v1 --to safetensors --out a_file", "--out a_file is a file: give a folder."),
    "model": ("export good", "good is no run folder"),
    "scores": ("ensemble e.parquet right.csv right.csv", "has no logits"),
    "union": ("ensemble e.parquet v1/predictions/test.parquet v1/predictions/val.parquet", "lacks 18 sample ids"),
    "target": ("ensemble v1 v1", "TARGET v1 must end in .parquet"),
    "under": ("ensemble a_file/e.parquet v1 v1", "cannot write a_file/e.parquet: "),
    "runs": ("report empty", "empty is not a run folder: it has no status.json."),
    "page": ("report v1 --html good", "--html good: the page's name must end in .html."),
    "report_old": ("report v1 --old nope", "nope/predictions/test.parquet does not exist."),
    "split": ("predict v1 --split tst", "split = 'tst': must be one of auto, train, val, test, unlabelled."),
    "data": ("predict v1 --data folder:nope --out p.parquet", "folder:nope: there is no such folder."),
    "diverged": ("predict diverged --out p.parquet", "with logits that are not finite"),
    "fit": ("predict partial --out p.parquet", "1 missing (head.weight)"),
    "evaluate": ("evaluate nope --data folder:good --cache kept --quiet", "'nope' is no trained model"),
    "copy": ("copy nope there", "nope holds no file to copy."),
    "explain": ("explain upgrad", "Did you mean 'upgrade'?"),
    "demo": ("demo --seeds 0", "seeds = 0: must be >= 1."),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_other_commands(name, here, refused):
    words, said = OTHERS[name]
    before = sorted(here.rglob("*"))
    assert said in refused(*words.split())
    after = [path for path in sorted(here.rglob("*")) if path not in before]
    assert after == []
    assert not Path("was_run").exists()


def test_pictures_that_were_asked_for_must_be_there(here, tmp_path, refused):
    other = rows(*(f"s{i},{i % 3},{(i + 1) % 3}" for i in range(9)))
    (tmp_path / "wrong.csv").write_text(other)
    words = ["compare", "right.csv", tmp_path / "wrong.csv", "--html", tmp_path / "p.html", "--data", "folder:nope"]
    assert "folder:nope: there is no such folder." in refused(*words)
    assert not (tmp_path / "p.html").exists()


def test_class_names_with_html_are_text_on_the_page(tmp_path, capsys):
    evil = "<script>alert(1)</script>"
    lines = [f"s{i},{name},{said}" for i, (name, said) in enumerate([(evil, evil), ("ok", "ok"), (evil, "ok")])]
    (tmp_path / "a.csv").write_text(rows(*lines))
    (tmp_path / "b.csv").write_text(rows(f"s0,{evil},ok", lines[1].replace("ok,ok", f"ok,{evil}"), lines[2]))
    assert main(["compare", *(str(tmp_path / f) for f in ("a.csv", "b.csv")), "--html", str(tmp_path / "p.html")]) == 0
    assert evil in capsys.readouterr().out
    page = (tmp_path / "p.html").read_text()
    assert evil not in page
    assert "&lt;script&gt;alert(1)" in page


def test_memory_that_runs_out_on_the_cpu(monkeypatch, refused):
    import modelheir.cli.methods as module

    def main_of(argv):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4320000000000 bytes.")

    monkeypatch.setattr(module, "main", main_of)
    assert "out of memory: close other programs" in refused("methods")
