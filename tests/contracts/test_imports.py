"""Imports go downward only, as pyproject.toml draws it."""

import ast
import importlib.util
import subprocess
import sys
import tomllib

import pytest


def test_import_linter_passes(root):
    if importlib.util.find_spec("importlinter") is None:
        pytest.fail("import-linter is not installed: `make venv` brings it")
    code = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"], cwd=root, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_package_has_a_row(root):
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    contract = project["tool"]["importlinter"]["contracts"][0]
    rows = {name.strip().removeprefix("modelheir.") for layer in contract["layers"] for name in layer.split("|")}
    source = root / "src" / "modelheir"
    parts = {path.stem for path in source.glob("*.py")} | {path.parent.name for path in source.glob("*/__init__.py")}
    assert parts - {"__init__", "calls"} - rows == set(), "a package stands in no row"


def test_the_engine_knows_no_method(root):
    """No name of a method is written in the layers that serve all of them."""
    from modelheir.methods import METHODS

    for folder in ("engine", "runs", "config"):
        for path in (root / "src" / "modelheir" / folder).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            words = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
            names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
            assert (words | names) & set(METHODS) - {"interpolate"} == set(), path.name


def test_there_is_no_circle_not_even_of_types():
    """Every import counts, also those that only a type checker follows."""
    import grimp

    graph = grimp.build_graph("modelheir", exclude_type_checking_imports=False, cache_dir=None)
    imports = {one: graph.find_modules_directly_imported_by(one) & graph.modules for one in graph.modules}
    assert sum(map(len, imports.values())) > 500
    left = dict(imports)
    while free := [one for one, used in left.items() if not used & left.keys() - {one}]:
        for one in free:
            del left[one]
    while tops := [one for one in left if not any(one in used for other, used in left.items() if other != one)]:
        for one in tops:  # what only leads into a circle
            del left[one]
    assert sorted(left) == []


def test_modules_are_named_at_the_top_of_a_file(root):
    """Package faces load what is heavy at its first use, so few imports have a reason to stand inside functions.

    Those that do: ``models/`` builds bodies by name from files that build models in turn, and ``assemble/`` waits with
    what a run needs until the settings are known to be good.
    """
    inner = [
        f"{path.relative_to(root)}:{node.lineno}"
        for path in sorted((root / "src" / "modelheir").rglob("*.py"))
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if (isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("modelheir."))
        or (isinstance(node, ast.Import) and any(f"{one.name}.".startswith("modelheir.") for one in node.names))
    ]
    assert len(set(inner)) <= 30, inner
