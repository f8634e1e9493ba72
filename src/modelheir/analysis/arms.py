"""Arms of a paired experiment: one row a method over seeds, each new model against the old model of its seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modelheir.analysis.compare import GateConfig, compare
from modelheir.extras import need
from modelheir.types import Predictions

__all__ = ["arm_rows", "over_seeds"]

_MEASURES = {"error": 1.0, "nfr": 1.0, "pfr": 1.0, "relative_nfr": math.inf, "churn": 1.0}  #: the most each can be


def arm_rows(
    arms: Mapping[str, Mapping[int, tuple[Predictions, Predictions]]],
    *,
    baseline: str | None = None,
    gate: GateConfig | None = None,
) -> list[dict[str, Any]]:
    """Tabulate arms.

    Args:
        arms: Arm -> seed -> (old predictions, new predictions) on the reporting split.
        baseline: The arm that others are compared with, seed by seed; its name need not be given.
        gate: Bounds that each seed's pair is held against.

    Returns:
        One dict an arm: ``name``, ``seeds``, ``n``; for each of error, nfr, pfr, relative_nfr, churn the mean and
        ``<name>_interval`` over seeds and ``<name>_values``; ``error_old``; with ``baseline`` the paired differences
        ``<name>_difference`` and ``..._interval`` of error and nfr; ``gate`` with ``passed`` (every seed) and reasons.
    """
    values = {name: {seed: _measure(*pair, gate) for seed, pair in by_seed.items()} for name, by_seed in arms.items()}
    rows = []
    for name, by_seed in values.items():
        seeds = sorted(by_seed)
        row: dict[str, Any] = {"name": name, "seeds": seeds, "n": by_seed[seeds[0]]["n"]}
        row["error_old"] = float(np.mean([by_seed[s]["error_old"] for s in seeds]))
        for measure, most in _MEASURES.items():
            found = [by_seed[s][measure] for s in seeds]
            row[measure], row[f"{measure}_interval"] = over_seeds(found, within=(0.0, most))
            row[f"{measure}_values"] = found
        if baseline is not None and name != baseline:
            shared = [s for s in seeds if s in values[baseline]]
            for measure in ("error", "nfr"):
                gaps = [by_seed[s][measure] - values[baseline][s][measure] for s in shared]
                row[f"{measure}_difference"], row[f"{measure}_difference_interval"] = over_seeds(gaps)
        verdicts = [by_seed[s]["gate"] for s in seeds]
        failed = [(s, v) for s, v in zip(seeds, verdicts, strict=True) if v.passed is False]
        row["gate"] = {
            "passed": None if any(v.passed is None for v in verdicts) else not failed,
            "reasons": [f"seed {s}: {reason}" for s, v in failed for reason in v.reasons],
            "seeds_passed": len(seeds) - len(failed),
        }
        rows.append(row)
    return rows


def over_seeds(
    values: Sequence[float], *, confidence: float = 0.95, within: tuple[float, float] = (-math.inf, math.inf)
) -> tuple[float, tuple[float, float] | None]:
    """Return the mean and its Student-t interval over seeds; a single seed has no interval.

    Args:
        values: One value a seed.
        confidence: Two-sided coverage, between 0 and 1.
        within: The range that the mean can have, 0 to 1 for a rate; no end lies outside it.

    Raises:
        InputError: If there are several values and SciPy is not installed.

    Example:
        >>> mean, (low, high) = over_seeds([1.0, 2.0, 3.0])
        >>> round(mean, 3), round(low, 3), round(high, 3)
        (2.0, -0.484, 4.484)
    """
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, None
    need("train", "an interval over seeds", "scipy")
    from scipy.stats import t

    half = float(t.ppf((1 + confidence) / 2, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5)
    return mean, (max(mean - half, within[0]), min(mean + half, within[1]))


def _measure(old: Predictions, new: Predictions, gate: GateConfig | None) -> dict[str, Any]:
    found = compare(old, new, gate=gate or GateConfig())
    return {
        "n": found.n,
        **{name: getattr(found.rates, name).value for name in _MEASURES if name != "error"},
        "gate": found.gate,
        "error": found.rates.accuracy_new.rest.value,
        "error_old": found.rates.accuracy_old.rest.value,
    }
