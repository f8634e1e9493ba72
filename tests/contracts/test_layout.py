"""A stranger guesses the file and is right: equal stems, short files, honest names and a true ``__all__``."""

import ast
import collections
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "modelheir"
MODULES = sorted(SOURCE.rglob("*.py"))
MOST_LINES = 250
MOST_FILES = 20

#: files that may be longer, and why
LONGER: dict[str, str] = {
    "analysis/comparison.py": "one value and its records, a field a line",
    "calls.py": "one function a command, most of it what its settings mean",
}

#: words that say nothing about what is inside
VAGUE = {"util", "utils", "helper", "helpers", "misc", "common", "manager", "stuff", "base"}


def name_of(path):
    return str(path.relative_to(SOURCE))


def test_there_is_something_to_check():
    assert len(MODULES) > 100


#: folders whose every file has a test of its name, wherever it lies below them -> how many files there are at least
TESTED = {"losses": 15, "metrics": 15, "objective": 8, "engine": 15, "inference": 4}


@pytest.mark.parametrize(("folder", "least"), TESTED.items())
def test_every_file_has_a_test_of_its_name_in_the_same_place(folder, least):
    source, tests = SOURCE / folder, ROOT / "tests" / folder
    files = {path.relative_to(source).with_suffix("") for path in source.rglob("*.py") if path.stem != "__init__"}
    there = {path.relative_to(tests).with_suffix("") for path in tests.rglob("test_*.py")}
    assert sorted(str(one) for one in files if one.parent / f"test_{one.name}" not in there) == []
    assert len(files) >= least


def test_a_test_lies_where_its_file_lies():
    """A test of the name of one file alone stands in the folder that mirrors the file's."""
    places = {}
    for path in MODULES:
        places.setdefault(path.stem, []).append(path.parent.relative_to(SOURCE))
    astray = []
    for path in (ROOT / "tests").rglob("test_*.py"):
        place, there = path.parent.relative_to(ROOT / "tests"), places.get(path.stem.removeprefix("test_"), [])
        if there and place not in there and place.parts[0] in {one.parts[0] for one in there if one.parts}:
            astray.append(str(path.relative_to(ROOT)))
    assert astray == []


def test_no_folder_holds_more_files_than_one_can_survey():
    counts = collections.Counter(name_of(path.parent) for path in MODULES)
    assert {folder: count for folder, count in counts.items() if count > MOST_FILES} == {}


def test_no_lazy_face_offers_a_name_that_one_of_its_files_has():
    """It would give the function before the file was imported, and the file after; it may offer the file itself."""
    faces, clashes = sorted(SOURCE.rglob("__init__.pyi")), []
    for path in faces:
        module = importlib.import_module(".".join(["modelheir", *path.parent.relative_to(SOURCE).parts]))
        rows = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ImportFrom)]
        files = {alias.name for row in rows if row.module is None for alias in row.names}  # ``from . import file``
        stems = {p.stem for p in path.parent.iterdir()}
        assert files <= stems & set(module.__all__)
        clashes += [f"{module.__name__}.{name}" for name in (set(module.__all__) - files) & stems]
    assert clashes == []
    assert len(faces) >= 5


def test_every_method_has_its_files():
    from modelheir.methods import METHODS

    wanted = {
        path
        for name, method in METHODS.items()
        for path in (
            f"tests/{place_of(method)}/test_{name}.py",
            f"src/modelheir/{place_of(method)}/{name}.py",
            f"docs/methods/{name}.md",
            f"configs/{name}/quick.yaml",
            f"configs/{name}/full.yaml",
            f"examples/{name}.py",
        )
    }
    assert sorted(path for path in wanted if not (ROOT / path).is_file()) == []


def place_of(method):
    return "/".join(method.plan.__module__.split(".")[1:-1])


def test_files_fit_on_a_few_screens():
    long = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    long = {name: lines for name, lines in long.items() if lines > MOST_LINES}
    assert {name: lines for name, lines in long.items() if name not in LONGER} == {}
    assert all(lines <= 1.2 * MOST_LINES for lines in long.values()), long
    assert set(LONGER) <= {name_of(path) for path in MODULES}, "LONGER names a file that is gone"


def test_no_vague_names(shipped):
    words = {path: set(path.stem.lower().split("_")) for path in shipped if path.suffix == ".py"}
    assert [str(path.relative_to(ROOT)) for path, parts in words.items() if parts & VAGUE] == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_file_starts_with_a_sentence_and_all_is_true(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    about = ast.get_docstring(tree)
    assert about, "no docstring"
    assert about.split("\n")[0].rstrip().endswith((".", ":", "?")), "the first line says what the file is"
    listed = next(
        (
            ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
        ),
        None,
    )
    if listed is None:
        assert path.name in ("__init__.py", "__main__.py"), "__all__ is missing"
        return
    assert len(set(listed)) == len(listed)
    if path.name == "__init__.py":  # names may come from below, so the module itself is asked
        module = importlib.import_module(".".join(["modelheir", *path.parent.relative_to(SOURCE).parts]))
        assert [name for name in listed if not hasattr(module, name)] == []
        return
    public: set[str] = set()
    defined: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            public.add(node.name)
        elif isinstance(node, ast.Assign):
            defined |= {one.id for target in node.targets for one in ast.walk(target) if isinstance(one, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            defined.add(node.target.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            defined |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    assert set(listed) - public - defined == set(), "__all__ names what the file does not hold"
    hidden = {name for name in public if not name.startswith("_")} - set(listed) - {"main"}
    assert hidden == set(), "a public name is missing from __all__"
