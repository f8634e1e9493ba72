"""What a run says of the subspace its weights moved in: pictures of the snapshots, and where its ways ended in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from modelheir.checks import InputError
from modelheir.report import figures, numerals
from modelheir.report.figures.loss_plane import SURFACE_COLUMNS, Surface, loss_plane, surface_rows, way_key
from modelheir.report.figures.sheet import sheet
from modelheir.report.figures.trajectory import TRAJECTORY_COLUMNS, trajectory, trajectory_rows
from modelheir.report.figures.variance import VARIANCE_COLUMNS, variance, variance_rows

__all__ = ["pictures", "subspace"]

Drawn = tuple[Markup, list[dict[str, Any]], Sequence[str], str]  #: picture, its numbers, their columns, its ending


def subspace(name: str, result: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the page shows of a run's subspace.

    Args:
        name: Of the run.
        result: Its ``result.json``, which may keep under ``subspace`` what :func:`~modelheir.subspace.told` says, with
            a ``surface`` and the ``value`` of each way.

    Returns:
        ``run``, ``variance``, ``path``, ``surface`` (pictures; the last may be ``None``), ``key`` of the ways,
        ``quantity``, and ``rows``: a way each, with ``name``, ``value`` and ``away`` as texts. ``None`` where the run
        says nothing of a subspace.

    Raises:
        InputError: If what it says is damaged.
    """
    if "subspace" not in result:
        return None
    found = _read(result["subspace"], name)
    names = list(found["ways"])
    plane = _plane(found)
    valued = any(numerals.is_number(way.get("value")) for way in found["ways"].values())
    quantity = (found.get("surface") or {}).get("quantity", "loss" if valued else "")
    return {
        "run": name,
        "variance": variance(found["variance"]),
        "path": None if plane else trajectory(found["path"], ways=_points(found), shares=found["variance"]),
        "surface": plane,
        "key": figures.key(names),
        "quantity": quantity,
        "split": (found.get("surface") or {}).get("split", ""),
        "rows": [_row(key, way, quantity) for key, way in found["ways"].items()],
    }


def pictures(found: Mapping[str, Any]) -> Iterator[Drawn]:
    """Yield the pictures of a subspace as files have them: with their numbers, and endings for their names.

    Args:
        found: What is kept under ``subspace``.

    Raises:
        InputError: If it is damaged.
    """
    found = _read(found, "the run")
    shares, ways = found["variance"], _points(found)
    yield variance(shares), variance_rows(shares), VARIANCE_COLUMNS, "_variance"
    stood = [{"way": name, "x": x, "y": y} for name, points in ways.items() for x, y in points]
    more = ["way"] if ways else []
    way = _keyed(trajectory(found["path"], ways=ways, shares=shares), ways, 330)
    yield way, trajectory_rows(found["path"]) + stood, (*more, *TRAJECTORY_COLUMNS), "_path"
    plane = _plane(found)
    if plane is None:
        return
    yield _keyed(plane, ways, 360), surface_rows(_surface(found)) + stood, (*more, *SURFACE_COLUMNS), "_surface"


def _keyed(drawn: Markup, ways: Mapping[str, Sequence[Sequence[float]]], height: float) -> Markup:
    """Return a picture with the key of its ways below, where there are any."""
    if not ways:
        return drawn
    label = "Where ways of going on ended, in the plane of two directions"
    return sheet([("", drawn)], height=height, columns=1, key=way_key(ways), label=label)


def _plane(found: Mapping[str, Any]) -> Markup | None:
    if not found.get("surface"):
        return None
    return loss_plane(_surface(found), path=found["path"], ways=_points(found), shares=found["variance"])


def _surface(found: Mapping[str, Any]) -> Surface:
    held = found["surface"]
    return Surface(held["x"], held["y"], held["value"], held["quantity"])


def _points(found: Mapping[str, Any]) -> dict[str, Sequence[Sequence[float]]]:
    return {name: way["points"] for name, way in found["ways"].items()}


def _row(name: str, way: Mapping[str, Any], quantity: str) -> dict[str, str]:
    value = way.get("value")
    told = numerals.percent(value) if quantity == "accuracy" else numerals.decimal(value, 4)
    return {"name": name, "value": told, "away": numerals.decimal(way.get("away"))}


def _read(found: Any, name: str) -> dict[str, Any]:
    """Return what a file keeps, once it is seen to be what was written."""
    try:
        shares = [float(share) for share in found["variance"]]
        path = [(float(x), float(y), float(step)) for x, y, step in found["path"]]
        ways = {str(key): dict(way) for key, way in found.get("ways", {}).items()}
        if not shares or not path or not all(map(_is_way, ways.values())):
            raise ValueError
        held = {"variance": shares, "path": path, "ways": ways, "surface": found.get("surface")}
        if held["surface"]:
            _surface(held)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"result.json of {name} is damaged: what it says of its subspace cannot be drawn. Restore it from a copy."
        ) from error
    return held


def _is_way(way: Mapping[str, Any]) -> bool:
    return bool(way["points"]) and all(numerals.is_number(x) and numerals.is_number(y) for x, y in way["points"])
