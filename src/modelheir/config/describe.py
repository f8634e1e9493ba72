"""What a config says about itself: every setting with its type, limit, default and the ``#:`` comment beside it."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import io
import textwrap
import tokenize
from collections.abc import Iterator
from typing import Any

from modelheir.checks import Limit, limits
from modelheir.config.mapping import allowed, default_of, plain_type
from modelheir.config.unread import unread

__all__ = ["Setting", "comments", "settings"]


@dataclasses.dataclass(frozen=True)
class Setting:
    """One setting as a person sees it."""

    key: str  #: dotted, such as ``fit.epochs``
    type: Any
    limit: Limit | None
    default: Any
    about: str  #: the comment beside the field

    @property
    def allowed(self) -> str:
        """What it may be, in words."""
        return allowed(self.type, self.limit)


def comments(config: type[Any]) -> dict[str, str]:
    """Return field name -> the ``#:`` comment within the field's lines and on those right below, which go on with it.

    Empty where the source is not at hand.
    """
    try:
        source = textwrap.dedent(inspect.getsource(config))
    except (OSError, TypeError):
        return {}
    words = {
        token.start[0]: token.string.removeprefix("#:").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT and token.string.startswith("#:")
    }
    body, rows = ast.parse(source).body[0], source.splitlines()
    found: dict[str, str] = {}
    for node in getattr(body, "body", ()):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            last = node.end_lineno or node.lineno
            while last in words and last + 1 in words and not rows[last].split("#:")[0].strip():
                last += 1
            lines = range(node.lineno, last + 1)
            found[node.target.id] = " ".join(words[line] for line in lines if line in words)
    return found


def settings(
    config: type[Any], where: str = "", *, nested: bool = True, start: Any = None, every: bool = True
) -> Iterator[Setting]:
    """Yield every setting of a config dataclass in order; those of nested groups too, unless ``nested`` is false.

    Defaults are those of ``start``, an instance, where it is given: a group may have defaults of its own. Without
    ``every``, what the choices among these defaults leave aside is left out.
    """
    aside = () if every else unread(config() if start is None else start)
    said: dict[str, str] = {}
    for base in reversed(config.__mro__):
        if dataclasses.is_dataclass(base):
            said |= comments(base)
    fields = {field.name: field for field in dataclasses.fields(config)}
    for name, hint, limit in limits(config):
        key, inner, field = f"{where}.{name}" if where else name, plain_type(hint), fields[name]
        if name in aside:
            continue
        own = default_of(field) if start is None else getattr(start, name)
        if dataclasses.is_dataclass(inner):
            if nested:
                yield from settings(inner, key, start=own, every=every)  # type: ignore[arg-type]
            continue
        yield Setting(key, inner, limit, own, said.get(name, ""))
