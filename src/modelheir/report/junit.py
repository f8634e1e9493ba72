"""A verdict as JUnit XML: a test case for every bound, class and slice, so that CI systems list what holds a release.

A required bound that is missed is a failure. One that the images are too few for is an error, or what ``undecided``
says: skipped to ship, a failure to hold; so the file is free of failures and errors exactly where the exit code is 0.
Advisory bounds decide nothing, so they are skipped, and their message says how they stand.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from modelheir.analysis.comparison import Comparison
from modelheir.analysis.gate.bounds import WORDS, GateConfig
from modelheir.analysis.gate.verdict import HOLD, UNDECIDED, Check
from modelheir.printable import printable
from modelheir.runs import files

__all__ = ["junit_text", "write_junit"]

_UNDECIDED = {"": "error", "ship": "skipped", "hold": "failure"}
_MORE = re.compile("[\ufffe\uffff]")  #: what XML 1.0 forbids beside control characters


def write_junit(path: Path, found: Comparison, *, names: tuple[str, str], seconds: float) -> None:
    """Write :func:`junit_text` to a file, whole or not at all.

    Raises:
        InputError: If the file cannot be written.
    """
    files.write_text(path, junit_text(found, names=names, seconds=seconds))


def junit_text(found: Comparison, *, names: tuple[str, str], seconds: float) -> str:
    """Return the XML.

    Args:
        found: What ``analysis.compare`` returned.
        names: What to call the two models.
        seconds: What the comparison took, ``>= 0``.
    """
    gate = found.gate
    ends = [_outcome(check, gate.bounds) for check in gate.checks]
    counts = {many: ends.count(one) for many, one in (("failures", "failure"), ("errors", "error"))}
    counts = {"tests": len(ends), **counts, "skipped": ends.count("skipped")}
    head = {**{name: str(count) for name, count in counts.items()}, "time": f"{seconds:.3f}"}
    root = ET.Element("testsuites", {"name": "modelheir compare", **head})
    suite = ET.SubElement(root, "testsuite", {"name": _text(f"{names[0]} to {names[1]}"), **head})
    about = {"verdict": gate.verdict, "images": found.n, "confidence": found.confidence}
    about |= {"policy": gate.bounds.policy or None, "policy_sha256": gate.bounds.policy_sha256 or None}
    rates = {key: value for name, rate in found.rates.items() for key, value in rate.named(name).items()}
    _properties(suite, {**about, **rates})
    for check, end in zip(gate.checks, ends, strict=True):
        _case(suite, check, end)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _outcome(check: Check, bounds: GateConfig) -> str:
    """Return the element that tells how a bound stands; empty where it is met."""
    if check.advisory:
        return "skipped"
    return {HOLD: "failure", UNDECIDED: _UNDECIDED[bounds.undecided]}.get(check.verdict, "")


def _case(suite: ET.Element, check: Check, end: str) -> None:
    kind = "advisory" if check.advisory else "required"
    name = f"{WORDS[check.name]} {check.group}" if check.kind else WORDS[check.name]
    case = ET.SubElement(suite, "testcase", {"classname": f"modelheir.{kind}.{check.name}", "name": _text(name)})
    keys = ("verdict", "value", "interval", "bound", "needed", "n")
    _properties(case, {key: getattr(check, key) for key in keys})
    if end:
        said = f"advisory, {check.verdict}: {check.sentence}" if check.advisory else check.sentence
        more = {} if end == "skipped" else {"type": check.verdict}
        ET.SubElement(case, end, {"message": _text(said), **more})


def _properties(parent: ET.Element, values: dict[str, Any]) -> None:
    """Add what is known as properties; an interval as its two ends."""
    held = ET.SubElement(parent, "properties")
    for name, value in values.items():
        both = dict(zip(("low", "high"), value, strict=True)) if isinstance(value, tuple | list) else {"": value}
        for end, one in both.items():
            if one is not None:
                said = {"name": f"{name.removesuffix('interval')}{end}" if end else name, "value": _text(str(one))}
                ET.SubElement(held, "property", said)


def _text(text: str) -> str:
    """Return ``text`` without what XML 1.0 forbids, which is written out."""
    return _MORE.sub(lambda found: repr(found[0])[1:-1], printable(text))
