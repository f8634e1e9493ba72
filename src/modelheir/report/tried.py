"""What a run tried and says of the choice: strategies of ``adapt``, algorithms of ``cotrain``, ways of ``subspace``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modelheir.report import figures

__all__ = ["KINDS", "tried"]

KINDS = {
    "algorithm": "Algorithm",
    "strategy": "Strategy",
    "way": "Way",
}  #: beginning of a row of ``result.json`` -> heading


def tried(
    name: str, result: Mapping[str, Any], reliability: Mapping[str, Sequence[Mapping[str, Any]]] | None = None
) -> dict[str, Any] | None:
    """Return what the page shows of a run's ways.

    Args:
        name: Of the run.
        result: Its ``result.json``.
        reliability: Bins of two models (see :func:`~modelheir.report.figures.reliability`), ``old`` the labels alone.

    Returns:
        ``run``, ``kind``, ``rows`` (best on the selection images first), ``lines``, ``reliability``; ``None`` where the
        run tried nothing.
    """
    kind = next((one for one in KINDS if any(key.startswith(f"{one}/") for key in result)), None)
    if kind is None:
        return None
    rows = [{**row, "name": key.partition("/")[2]} for key, row in result.items() if key.startswith(f"{kind}/")]
    rows.sort(key=lambda row: (-(row.get("selection") or 0.0), not row.get("chosen")))
    chosen = next((row for row in rows if row.get("chosen")), {})
    lines = chosen.get("said") or str(chosen.get("note", "")).split("\n")
    drawn = figures.reliability(reliability, _NAMES) if reliability else None
    return {"run": name, "kind": KINDS[kind], "rows": rows, "lines": [one for one in lines if one], "drawn": drawn}


_NAMES = {"old": "labels alone", "new": "the run"}
