"""One self-contained page from a template: everything inline, nothing fetched, every name escaped."""

from __future__ import annotations

import base64
import functools
import hashlib
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from modelheir.printable import printable
from modelheir.report import numerals
from modelheir.runs import files

__all__ = ["csv_address", "write"]

_FOLDER = "templates"


def _own(name: str) -> str:
    return resources.files("modelheir.report").joinpath(_FOLDER, name).read_text(encoding="utf-8")


@functools.cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(_own),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = ("percent", "points", "interval", "count", "decimal", "p_value", "share")
    made.filters.update({name: getattr(numerals, name) for name in names})
    made.tests["number"] = numerals.is_number
    return made


def _digest(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def csv_address(text: str) -> str:
    """Make the ``data:`` address from which the page offers its own table."""
    return "data:text/csv;charset=utf-8;base64," + base64.b64encode(text.encode()).decode()


def write(path: Path, template: str, **values: Any) -> Path:
    """Render ``template`` and put the page at ``path``, whole or not at all.

    The policy in the page's head allows exactly the style sheet and the script that this package ships, by digest,
    and pictures that are part of the page; the browser refuses anything else.
    """
    style, script = _own("page.css"), _own("page.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src {_digest(style)}; script-src {_digest(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    text = (
        _environment()
        .get_template(template)
        .render(
            style=Markup(style),
            script=Markup(script),
            policy=policy,
            **values,
        )
    )
    path = Path(path)
    files.write_text(
        path, printable(text, keep="\n\t")
    )  # names come from files of others, and are drawn in figures too
    return path
