"""constraints.txt pins everything that pyproject.toml may bring in, and tells no address."""

import importlib.metadata
import re
import tomllib

import pytest


@pytest.fixture(scope="module")
def lines(root):
    text = (root / "constraints.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("forbidden", ["://", "index-url", "find-links", " @ ", "file:", "--hash", "-e "])
def test_no_address(lines, forbidden):
    assert [line for line in lines if forbidden in line] == []


def test_every_line_pins_one_version(lines):
    form = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[\w,-]+\])?==[A-Za-z0-9.!+]+( ; .+)?")
    assert [line for line in lines if not form.fullmatch(line)] == []
    assert len(lines) > 50


def test_every_dependency_is_pinned(root, lines):
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        wanted += extra
    pinned = {plain(re.match(r"[\w.-]+", line).group()) for line in lines}
    missing = [one for one in wanted if plain(re.match(r"[\w.-]+", one).group()) not in pinned]
    assert missing == []


def test_what_is_installed_needs_nothing_unpinned(lines):
    """Every requirement of every installed direct dependency has a pin (of the plain install and of ``train``)."""
    pinned = {plain(re.match(r"[\w.-]+", line).group()) for line in lines}
    needed = set()
    for requirement in importlib.metadata.requires("modelheir") or []:
        if "extra ==" not in requirement or 'extra == "train"' in requirement:
            name = re.match(r"[\w.-]+", requirement).group()
            needed |= {
                plain(re.match(r"[\w.-]+", inner).group())
                for inner in importlib.metadata.requires(name) or []
                if ";" not in inner
            }
    assert needed - pinned <= {"setuptools"}
