"""Names in Markdown stay text: a parser that is not ours reads them back, and finds no markup, column or link."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from modelheir.printable import printable, shorten
from modelheir.report.markdown import code, escape, table

HOSTILE = [
    "a|b",
    "a\\|b",
    "\\",
    "`",
    "``a` `b",
    "<img src=x onerror=alert(1)>",
    "</code><b>",
    "<!-- ",
    "&lt;&amp;&#124;",
    "![p](http://evil.example/p.png)",
    "[a](javascript:alert(1))",
    "[a]: http://evil.example",
    "http://evil.example",
    "WWW.evil.example",
    "a@evil.example",
    "@octocat",
    "org/repo#12",
    "gh-12",
    ":smile:",
    "**bold** _it_ ~~gone~~ $x$",
    "line\nline\r\n\n# head",
    "\u202ereversed\x1b[2J\x00",
    " ",
    "",
    "x" * 5000,
]
#: what GitHub makes a link, mention or reference of, in text that is not code
LINKS = re.compile(
    r"(?:https?|ftp)://|\bwww\.|[\w.+-]@[\w-]+\.|(?<!\w)@[a-z0-9]|#\d|\bgh-\d|:[\w+-]+:(?!\w)", re.IGNORECASE
)


class Text(HTMLParser):
    """Cells, tags, and the text outside code."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.cells, self.plain, self._open = [], [], "", []
        self.feed(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text))
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self._open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        self._open.pop()

    def handle_data(self, data):
        if self.cells and {"td", "th"} & set(self._open):
            self.cells[-1] += data
        if "code" not in self._open:
            self.plain += data


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=40))
@pytest.mark.parametrize("write", [escape, code])
def test_any_text_is_read_back_as_it_is(write, name):
    check(write, name)


@pytest.mark.parametrize("write", [escape, code])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_read_back_as_it_is(write, name):
    check(write, name)


def check(write, name):
    found = Text(table(["a", "b"], [[write(name), "2"]]))
    shown = printable(shorten(name)) if write is code else printable(name)
    if write is code and not shown.strip():
        shown = "(empty)"
    read = [cell.replace("\u200b", "") for cell in found.cells]
    assert [" ".join(cell.split()) for cell in read] == ["a", "b", " ".join(shown.replace("\u200b", "").split()), "2"]
    assert set(found.tags) <= {"table", "thead", "tbody", "tr", "th", "td", "code"}
    assert LINKS.search(found.plain) is None
    line = f"- Note: {write(name)}"
    assert set(Text(line).tags) <= {"ul", "li", "p", "code"}
    assert "\n" not in line


def test_plain_names_stay_as_they_are():
    assert code("country = jp") == "`country = jp`"
    assert escape("cat (8.93% against 1.39%), 1/2: a-b") == "cat (8.93% against 1.39%), 1/2: a-b"


def test_numbers_stand_to_the_right():
    assert table(["a", "b"], [["x", "1"]], right=(1,)) == "| a | b |\n| --- | --: |\n| x | 1 |"
