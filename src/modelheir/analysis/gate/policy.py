"""The gate's policy: a small YAML file kept beside the code, so that bounds are set before a comparison."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from modelheir.analysis.gate.bounds import Bounds, GateConfig
from modelheir.checks import AtLeast, InputError, InRange, OneOf
from modelheir.config.mapping import from_mapping, read_yaml
from modelheir.runs.seal import digest

__all__ = ["Policy", "make_gate"]

_HOW = ("confidence", "point", "min_class_count", "undecided", "sequential")  #: how bounds are held


@dataclasses.dataclass(frozen=True)
class Policy:
    """What a policy file can say; the names are those of ``modelheir compare``."""

    required: Bounds = dataclasses.field(default_factory=Bounds)  #: a release must meet these
    advisory: Bounds = dataclasses.field(default_factory=Bounds)  #: shown beside them; they decide nothing
    slice: tuple[str, ...] = ()  #: columns to slice by
    confidence: Annotated[float, InRange(0.5, 0.999999)] = 0.95  #: two-sided, of all intervals
    point: bool = False  #: judge the estimates
    min_class_count: Annotated[int, AtLeast(1)] = 1  #: smaller classes and slices are named, not judged
    undecided: Annotated[str, OneOf("", "ship", "hold")] = ""  #: what to do where there are not enough images
    sequential: bool = False  #: intervals that hold at all looks together


def make_gate(policy: Path | str | None, given: Mapping[str, Any]) -> tuple[GateConfig, tuple[str, ...]]:
    """Put a policy file and single settings together.

    Args:
        policy: The file; ``None`` where there is none.
        given: Settings of the gate, and ``slice``, by name; ``None`` counts as not given.

    Returns:
        The gate, and the columns to slice by: those of the policy, then those given.

    Raises:
        InputError: If the file cannot be read, names a setting that there is not, or sets one that is given too: a
            policy that a flag can soften would be none.
    """
    own = {name: value for name, value in given.items() if value is not None and name != "slice"}
    columns = tuple(given.get("slice") or ())
    if policy is None:
        return GateConfig(**own), columns
    path = Path(policy)
    said = read_yaml(path)
    held = from_mapping(Policy, said, source=str(path))
    known = {*held.required.given, *(name for name in said if name not in ("required", "advisory", "slice"))}
    for name in own:
        if name in known:
            raise InputError(f"{name} is set by the policy {path}: leave it out here, or change the policy.")
    rest = {name: getattr(held, name) for name in (*_HOW, "advisory")}
    made = GateConfig(**{**held.required.given, **rest, **own}, policy=str(path), policy_sha256=digest(path))
    return made, tuple(dict.fromkeys((*held.slice, *columns)))
