"""Importing sets nothing and loads little; the commands that need no torch do not wait for it."""

import ast
import json
from pathlib import Path

import pytest

#: what other packages set at import is theirs: they are imported before the watch begins
OTHERS = "import numpy, scipy.stats, pyarrow.parquet, yaml, jsonargparse, rich.console, rich.progress, jinja2"

#: files whose calls at the top change this library's own values only
ALLOWED = ("config/yaml_files.py",)

WATCH = """
import contextlib, io, json, os, random, sys, warnings

def state():
    return {{"environment": dict(os.environ), "filters": list(warnings.filters), "seed": random.getstate(),
             "path": list(sys.path)}}

{others}
found = {{}}
for step in {steps!r}:
    before = state()
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            exec(step, {{}})
        except SystemExit as stop:
            assert not stop.code, step
    after = state()
    found[step] = {{
        "changed": [name for name in before if before[name] != after[name]],
        "heavy": [name for name in ("torch", "matplotlib", "sklearn", "timm", "accelerate") if name in sys.modules],
        "numpy": "numpy" in sys.modules,
    }}
print(json.dumps(found))
"""


def observe(run_python, steps, others=OTHERS):
    return json.loads(run_python(WATCH.format(steps=list(steps), others=others)).strip().splitlines()[-1])


def command(*words):
    return f"from modelheir.cli import main; code = main({list(words)!r}); assert code == 0, code"


def test_importing_the_library_imports_nothing_else(run_python):
    step = "import modelheir"
    assert observe(run_python, [step], others="") == {step: {"changed": [], "heavy": [], "numpy": False}}


def test_what_needs_no_torch_loads_none_and_sets_nothing(run_python, tmp_path):
    for name, said in {"old": (0, 1, 1), "new": (0, 1, 0)}.items():
        rows = [f"{one},{label},{guess}" for one, label, guess in zip("abc", (0, 1, 1), said, strict=True)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["sample_id,label,prediction", *rows]) + "\n")
    old, new = str(tmp_path / "old.csv"), str(tmp_path / "new.csv")
    steps = [
        "import modelheir; modelheir.compare, modelheir.methods.METHODS, modelheir.report, modelheir.__version__",
        "import modelheir.runs.predictions, modelheir.analysis.compare, modelheir.cli.compare",
        "import modelheir.metrics, modelheir.config.run, modelheir.types, modelheir.checks",
        "import modelheir.assemble, modelheir.methods, modelheir.calls",
        f"import modelheir; assert abs(modelheir.compare({old!r}, {new!r})['nfr'] - 1 / 3) < 1e-12",
        command("--help"),
        command("--version"),
        command("compare", "--help"),
        command("train", "--help"),
        command("train", "upgrade", "--help"),
        command("methods"),
        command("compare", old, new, "--json", str(tmp_path / "out.json")),
    ]
    found = observe(run_python, steps)
    assert list(found) == steps
    assert [step for step, seen in found.items() if seen["heavy"] or seen["changed"]] == [], found
    assert json.loads((tmp_path / "out.json").read_text())["nfr"] == pytest.approx(1 / 3)


def test_no_module_acts_when_imported():
    """At the top of a file stand definitions alone; tables may be built by calls, nothing is called for its effect."""
    source = Path(__file__).resolve().parents[2] / "src" / "modelheir"
    acting = [
        f"{path.relative_to(source)}:{node.lineno}"
        for path in sorted(source.rglob("*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.For | ast.While | ast.With | ast.Try | ast.Delete)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))
    ]
    assert [one for one in acting if not one.startswith(ALLOWED)] == []


def test_an_unknown_name_is_an_attribute_error():
    import modelheir

    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = modelheir.trian
    assert set(modelheir.__all__) <= set(dir(modelheir))
