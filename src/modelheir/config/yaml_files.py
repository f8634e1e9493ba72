"""YAML files of settings, read within bounds: whatever stands in one is either plain values or an error with its line.

A key is text and is given once; ``1e-3`` is a number; whole numbers fit 64 bits. What anchors repeat counts as often as
it is repeated, so that a short file cannot stand for an endless one.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from modelheir.checks import InputError
from modelheir.printable import shorten

__all__ = ["read_yaml"]

_BYTES = 1 << 20  #: a file of settings is far smaller
_NODES = 10_000  #: keys, values, lists and mappings, repeated ones counted as often
_DEPTH = 50
_Wrong = yaml.constructor.ConstructorError


class _Loader(yaml.SafeLoader):
    """YAML in which ``1e-3`` is a number, a key given twice is an error, and nothing is without bound."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self.count = 0  #: nodes so far, repeated ones too
        self.sizes: dict[int, int] = {}  #: nodes in a finished node, by its identity
        self.depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        mark, again = self.peek_event().start_mark, self.check_event(yaml.AliasEvent)  # type: ignore[no-untyped-call]
        before = self.count
        self.depth += 1
        if self.depth > _DEPTH:
            raise _Wrong(None, None, f"settings are nested more than {_DEPTH} deep", mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        if again and id(node) not in self.sizes:
            raise _Wrong(None, None, "an anchor is repeated within itself", mark)
        self.count += self.sizes[id(node)] if again else 1
        if self.count > _NODES:
            raise _Wrong(None, None, f"more than {_NODES:,} values, with those that anchors repeat", mark)
        self.sizes[id(node)] = self.count - before
        if isinstance(node, yaml.MappingNode) and not again:
            _check_keys(node)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            made = super().construct_object(node, deep=deep)  # type: ignore[no-untyped-call]
        except (ValueError, KeyError, AttributeError, TypeError, OverflowError) as error:
            kind = {"int": "whole number", "float": "number", "timestamp": "date", "bool": "true or false"}
            name = node.tag.rpartition(":")[2]
            said = f"{shorten(str(node.value))!r} is no {kind.get(name, name)}"
            raise _Wrong(None, None, said, node.start_mark) from error
        if isinstance(made, int) and abs(made) >= 2**63:
            raise _Wrong(None, None, f"{shorten(str(node.value))} is too large a whole number", node.start_mark)
        return made


def _check_keys(node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if key.tag == "tag:yaml.org,2002:merge":
            continue
        if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
            shown = repr(shorten(key.value)) if isinstance(key, yaml.ScalarNode) else "a list or mapping"
            raise _Wrong(None, None, f"a key must be text, got {shown}: put it in quotes", key.start_mark)
        if key.value in seen:
            raise _Wrong(None, None, f"{shorten(key.value)!r} is given twice", key.start_mark)
        seen.add(key.value)


_Loader.yaml_implicit_resolvers = {key: list(value) for key, value in _Loader.yaml_implicit_resolvers.items()}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def read_yaml(path: Path | str) -> dict[str, Any]:
    """Read a YAML file of settings.

    Raises:
        InputError: If it is missing, is not YAML, is out of bounds, or holds no mapping; names the file and the line.
    """
    path = Path(path)
    try:
        with path.open("rb") as handle:
            content = handle.read(_BYTES + 1)
        if len(content) > _BYTES:
            raise InputError(f"{path} is larger than {_BYTES // 1024:,} KiB, which no file of settings is.")
        found = yaml.load(content.decode("utf-8"), _Loader)
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: --config takes a YAML file of settings.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise InputError(f"{path}{line}: {error.problem or 'not YAML'}.") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not YAML: {error}.") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InputError(f"{path} must hold settings as `key: value` lines, got a {type(found).__name__}.")
    return found
