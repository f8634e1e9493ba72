"""Text from files made safe for a terminal, a table and a page: nothing in it moves the cursor or turns the line round.

Class names, sample ids and paths are other people's text. Control characters (escape sequences, carriage returns), the
marks that reverse the direction of writing, and halves of characters are shown as Python writes them in a string.
"""

from __future__ import annotations

import re

__all__ = ["printable", "shorten"]

#: controls, direction marks, line and paragraph separators, halves of characters (from file names that are not UTF-8)
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str, *, keep: str = "") -> str:
    r"""Return ``text`` with every character that a terminal would obey written out.

    Args:
        text: Any text.
        keep: Characters that stay, such as a line feed where lines are wanted.

    Example:
        >>> printable("cat\x1b[2J\r\u202e")
        'cat\\x1b[2J\\r\\u202e'
    """
    return _UNSAFE.sub(lambda found: found[0] if found[0] in keep else repr(found[0])[1:-1], text)


def shorten(text: str, most: int = 80) -> str:
    """Return ``text`` with its middle left out where it is longer than ``most`` characters; such as ids in messages.

    >>> shorten("a" * 1000, 8)
    'aaaa...aaaa (1,000 characters)'
    """
    if len(text) <= most:
        return text
    return f"{text[: most // 2]}...{text[-(most // 2) :]} ({len(text):,} characters)"
