"""Text for Markdown as GitHub reads it: names stay text, whatever stands in them, and tables keep their columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

from modelheir.printable import printable, shorten

__all__ = ["code", "escape", "table"]

_SPECIAL = re.compile(r"[\\`*_\[\]<>&|~$\"']")
_WIDTHLESS = "&#8203;"  #: a space without width: what it parts is no address, mention or reference to GitHub
_PARTED = re.compile(r"(?<=@)|(?<=#)(?=\d)|(?<=:)(?=//)|(?<=\bwww)(?=\.)|(?<=\bGH-)(?=\d)|(?<=:)(?=[\w+-]+:)", re.I)
_MOST = 80  #: characters of a name


def escape(text: str) -> str:
    """Write ``text`` so that it reads as it is within a line or a cell: no markup, link, mention or picture.

    >>> escape("a|b <i> @me")
    'a&#124;b &#60;i&#62; @&#8203;me'
    """
    whole = (_SPECIAL.sub(lambda found: f"&#{ord(found[0])};", part) for part in _PARTED.split(printable(text)))
    return _WIDTHLESS.join(whole)


def code(name: str) -> str:
    """Write a name in letters of equal width, shortened where it is very long.

    >>> code("cat"), code("a|b")
    ('`cat`', '<code>a&#124;b</code>')
    """
    text = printable(shorten(name, _MOST))
    if text.strip() and not re.search("[`|]", text):  # between backticks all else is text
        return f"`{text}`"
    return f"<code>{escape(text)}</code>" if text.strip() else "(empty)"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Write a table.

    Args:
        columns: Heads.
        rows: Cells, Markdown already.
        right: Places of the columns of numbers, which stand to the right.
    """
    rule = ["--:" if place in right else "---" for place in range(len(columns))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, rule, *rows))
