"""The map of one method on one screen: what it is for, its paper, its files, its own settings and their defaults."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from modelheir.checks import limits
from modelheir.config.describe import settings
from modelheir.config.mapping import from_mapping, plain_type
from modelheir.screen import line_width, paragraph

if TYPE_CHECKING:
    from modelheir.methods import Method

__all__ = ["explain_text", "method_files"]

_MOST = 30  #: settings that are shown one by one


def explain_text(method: Method) -> str:
    """Return the map of a method, for the terminal.

    A file and a setting have one line each; what does not fit into it is left to the file and to ``train METHOD
    --help``; where there are many settings, a group of them has one line as well. So 50 lines of 100 columns hold every
    method of the table.
    """
    module = sys.modules[method.plan.__module__]
    lines = [paragraph(f"{method.name}: {method.summary}"), ""]
    facts = {
        "For": method.situation,
        "Not for": getattr(method, "not_for", ""),
        "Paper": method.paper,
        "Needs": "--old" if method.needs_old else "",
        "Formula": _formula(module),
        "Defaults": ", ".join(f"--{key} {value}" for key, value in method.defaults.items()),
    }
    lines += [paragraph(text, first=f"{name + ':':<10}", rest=" " * 10) for name, text in facts.items() if text]
    lines += ["", "Files", *_rows(method_files(method.name, module)), ""]
    lines += [f"Settings, each written --method.NAME (`modelheir train {method.name} --help`: limits, and all others)"]
    blocks: dict[str, list[tuple[str, str, str]]] = {}
    shown = list(settings(method.config, start=_usual(method), every=False))
    few = len(shown) <= _MOST
    for one in shown if few else [one for one in shown if "." not in one.key]:
        group = one.key.rpartition(".")[0]
        blocks.setdefault(group, []).append((one.key, _shown(one.default), one.about))
    if not few:
        blocks["."] = _groups(method.config, [one.key for one in shown])
    return "\n".join([*lines, *(line for rows in blocks.values() for line in _rows(rows))])


def _groups(config: type[Any], keys: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return a row for every group of settings: its name, how many are read, and what they are."""
    counts = Counter(key.partition(".")[0] for key in keys if "." in key)
    types = {name: plain_type(hint) for name, hint, _ in limits(config)}
    about = {name: (inspect.getdoc(types[name]) or "").split("\n")[0].removesuffix(".") for name in counts}
    return [
        (f"{name}.*", f"{count} settings", about[name].removeprefix("Settings of ")) for name, count in counts.items()
    ]


def method_files(name: str, module: ModuleType) -> list[tuple[str, str]]:
    """Return ``(file, what it is)`` of a method: its front door, the modules it uses, its card, configs and test."""
    files = [(_place(module.__name__), "the method: Config and plan()")]
    for used in _imported(module):
        files.append((_place(used), _first_line(used)))
    inside = "/".join(module.__name__.split(".")[2:-1])
    files += [
        (f"docs/methods/{name}.md", "the card: when to use it, cost, evidence"),
        (f"configs/{name}/", "settings files: quick and full"),
        (f"tests/methods/{inside}/test_{name}.py".replace("//", "/"), "its tests"),
    ]
    return files


def _imported(module: ModuleType) -> list[str]:
    """List the modules of losses, objective, methods, models and data that a module's source imports, in order."""
    names: dict[str, None] = {}
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names[node.module] = None
            names |= {f"{node.module}.{alias.name}": None for alias in node.names}
    rows = (
        "modelheir.losses.",
        "modelheir.objective.",
        "modelheir.methods.",
        "modelheir.models.",
        "modelheir.data.",
        "modelheir.metrics.",
    )
    skipped = ("modelheir.methods.method", module.__name__)
    return [name for name in names if name.startswith(rows) and name not in skipped and _path(name).is_file()]


def _path(name: str) -> Path:
    """Return where a module of this library lies, or would lie."""
    return Path(__file__).parents[1].joinpath(*name.split(".")[1:]).with_suffix(".py")


def _place(name: str) -> str:
    return f"src/{'/'.join(name.split('.'))}.py"


def _first_line(name: str) -> str:
    """Return the first sentence of a module's docstring."""
    text = (ast.get_docstring(ast.parse(_path(name).read_text(encoding="utf-8"))) or "").split("\n")[0]
    return text.partition(". ")[0].removesuffix(".")


def _formula(module: ModuleType) -> str:
    """Return the formula at the head of a method's module, in LaTeX."""
    blocks = (inspect.getdoc(module) or "").split("\n\n")
    return next((block.removeprefix(".. math::") for block in blocks if block.startswith(".. math::")), "")


def _usual(method: Method) -> Any:
    """Return a method's own settings as they are where nobody gives any."""
    own = {key.removeprefix("method."): value for key, value in method.defaults.items() if key.startswith("method.")}
    return from_mapping(method.config, own, where="method")


def _rows(rows: Sequence[Sequence[str]]) -> list[str]:
    """Write rows under each other, as wide as the screen: the last cell is cut where it does not fit."""
    widths = [max(len(cell) for cell in column) for column in list(zip(*rows, strict=True))[:-1]]
    lines = []
    for *cells, text in rows:
        start = "  " + "".join(f"{cell:<{width}}  " for cell, width in zip(cells, widths, strict=True))
        lines.append(start + textwrap.shorten(text, max(line_width() - len(start), 3), placeholder="..."))
    return [line.rstrip() for line in lines]


def _shown(value: Any) -> str:
    if value in ("", (), None):
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    return (
        textwrap.shorten(" ".join(map(str, value)), 36, placeholder=" ...") if isinstance(value, tuple) else str(value)
    )
