"""The map of one method: what it is for, its paper, its files, and every setting with limits and default."""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from modelheir.config.describe import settings
from modelheir.screen import paragraph, table_text

if TYPE_CHECKING:
    from modelheir.methods import Method

__all__ = ["explain_text", "method_files"]


def explain_text(method: Method) -> str:
    """Return the map of a method, for the terminal."""
    module = sys.modules[method.plan.__module__]
    lines = [paragraph(f"{method.name}: {method.summary}"), ""]
    facts = {
        "For": method.situation,
        "Not for": getattr(method, "not_for", ""),
        "Paper": method.paper,
        "Needs": "--old" if method.needs_old else "",
        "Defaults": ", ".join(f"--{key} {value}" for key, value in method.defaults.items()),
    }
    lines += [paragraph(text, first=f"{name + ':':<10}", rest=" " * 10) for name, text in facts.items() if text]
    lines.append("")
    for block in (inspect.getdoc(module) or "").split("\n\n"):
        formula = block.startswith(".. math::")
        lines += [block.replace(".. math::", "Formula (LaTeX):") if formula else paragraph(block), ""]
    lines += [table_text("Files", ["file", "what it is "], method_files(method.name, module)), ""]
    lines += ["Its own settings and their defaults", ""]
    for one in settings(method.config, "method", every=False):
        lines.append(f"  --{one.key} {_shown(method.defaults.get(one.key, one.default))}")
        about = f"{one.about} ({one.allowed})" if one.about else one.allowed
        lines.append(paragraph(about, first=" " * 6, rest=" " * 6))
    lines += ["", f"`modelheir train {method.name} --help` lists the settings that all methods share."]
    return "\n".join(lines)


def method_files(name: str, module: ModuleType) -> list[tuple[str, str]]:
    """Return ``(file, what it is)`` of a method: its front door, what that imports, and its card, configs and test."""
    files = [(_place(module.__name__), "the method: Config and plan()")]
    for used in _imported(module):
        files.append((_place(used), _first_line(used)))
    files += [
        (f"docs/methods/{name}.md", "the card: when to use it, cost, evidence"),
        (f"configs/{name}/", "settings files: quick and full"),
        (f"tests/methods/test_{name}.py", "its tests"),
    ]
    return files


def _imported(module: ModuleType) -> list[str]:
    """List the modules of losses, methods and models that a module's source imports, in order."""
    names: dict[str, None] = {}
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names[node.module] = None
            names |= {f"{node.module}.{alias.name}": None for alias in node.names}
    rows = (
        "modelheir.losses",
        "modelheir.objective",
        "modelheir.methods.",
        "modelheir.models",
        "modelheir.data",
        "modelheir.metrics",
    )
    skipped = ("modelheir.methods.method", "modelheir.methods.given", module.__name__)
    return [name for name in names if name.startswith(rows) and name not in skipped and _file(name)]


def _file(name: str) -> Path | None:
    root = Path(__file__).parents[1].joinpath(*name.split(".")[1:])
    return next((path for path in (root.with_suffix(".py"), root / "__init__.py") if path.is_file()), None)


def _place(name: str) -> str:
    path = _file(name)
    if path is None:
        return name
    ends = "/".join(name.split(".")) + ("/__init__.py" if path.name == "__init__.py" else ".py")
    return f"src/{ends}"


def _first_line(name: str) -> str:
    path = _file(name)
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) if path else None
    return (text or "").split("\n")[0]


def _shown(value: Any) -> str:
    if value in ("", (), None):
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
