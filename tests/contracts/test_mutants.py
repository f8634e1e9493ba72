"""The tool that breaks the code on purpose: what it changes, whom it asks, and that it leaves the project alone."""

import ast
import sys

import pytest


@pytest.fixture(scope="module")
def tool(root):
    sys.path.insert(0, str(root / "tools"))
    import mutants

    yield mutants
    sys.path.remove(str(root / "tools"))
    del sys.modules["mutants"]


@pytest.fixture
def project(tool, tmp_path, monkeypatch):
    """A project of one file, with a test that looks at one of its two functions."""
    (tmp_path / "src" / "modelheir" / "maths").mkdir(parents=True)
    (tmp_path / "tests" / "maths").mkdir(parents=True)
    (tmp_path / "src" / "modelheir" / "maths" / "less.py").write_text(
        "def less(a, b):\n    return a - b\n\n\ndef more(a, b):\n    return a + b\n"
    )
    (tmp_path / "src" / "modelheir" / "__init__.py").touch()
    (tmp_path / "src" / "modelheir" / "maths" / "__init__.py").touch()
    (tmp_path / "tests" / "maths" / "test_less.py").write_text(
        "from modelheir.maths.less import less\n\n\ndef test_less():\n    assert less(5, 2) == 3\n"
    )
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    tool.tests_of.cache_clear()
    yield tmp_path
    tool.tests_of.cache_clear()


def changed(tool, project, text):
    path = project / "src" / "modelheir" / "one.py"
    path.write_text(text, encoding="utf-8")
    found = [one.apply(path.read_bytes()).decode() for one in tool.mutants(path.relative_to(project))]
    for one in found:
        ast.parse(one)
    return found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x = a < b", {"x = (a <= b)"}),
        ("x = a <= b != c", {"x = (a < b != c)", "x = (a <= b == c)"}),
        ("x = a * b", {"x = (a / b)"}),
        ("x += y", {"x -= y"}),
        ("x = a and b", {"x = (a or b)"}),
        ("x = not a", {"x = (a)"}),
        ("x = 'é', 3", {"x = 'é', 4"}),
        ("x = True", {"x = False"}),
        ("x = f(a, b=c)", {"x = f(a)"}),
        ("x = zip(a, b, strict=True)", set()),
        ("x = max(a, b)", {"x = (a)", "x = (b)"}),
        ("x = a if b else c", {"x = (a if not b else c)"}),
        ("def f():\n    return a", {"def f():\n    return None"}),
        ("raise ValueError(f'{1 + 1}', 2)", set()),
        ("x: Annotated[int, 3] = y", set()),
        ("__all__ = ['a'] * 2", set()),
        ("if TYPE_CHECKING:\n    x = 1", set()),
        ('"""Says 1 < 2."""', set()),
    ],
)
def test_one_change_at_a_time(tool, project, line, expected):
    assert set(changed(tool, project, line + "\n")) == {f"{text}\n" for text in expected}


def test_every_source_file_can_be_mutated(tool, root):
    path = root / "src" / "modelheir" / "metrics" / "statistics" / "intervals.py"
    found = tool.mutants(path.relative_to(root))
    assert len(found) > 100
    assert len({one.apply(path.read_bytes()) for one in found}) == len(found)


def test_survivors_are_told_from_what_was_noticed_and_the_project_stays(tool, project, monkeypatch, capsys):
    import shutil

    monkeypatch.setattr(tool, "copy_project", lambda house: shutil.copytree(project, house))
    path = project / "src" / "modelheir" / "maths" / "less.py"
    before = path.read_bytes()
    chosen = [one for one in tool.mutants(path.relative_to(project)) if b"return (a " in one.apply(before)]
    found = tool.judge(chosen, workers=1)
    assert {one.apply(before).decode(): said for one, said in found.items()} == {
        before.decode().replace("return a - b", "return (a + b)"): True,
        before.decode().replace("return a + b", "return (a - b)"): False,
    }
    assert "+    return (a - b)" in capsys.readouterr().out
    assert path.read_bytes() == before


def test_tests_that_fail_before_any_change_end_it(tool, project, monkeypatch):
    import shutil

    monkeypatch.setattr(tool, "copy_project", lambda house: shutil.copytree(project, house))
    (project / "tests" / "maths" / "test_less.py").write_text("def test_less():\n    assert False\n")
    with pytest.raises(SystemExit, match=r"test_less\.py fails without any mutant"):
        tool.judge(tool.mutants(project.relative_to(project) / "src/modelheir/maths/less.py"), workers=1)
