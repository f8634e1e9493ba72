"""How often the intervals of the gate hold the truth, and how often its verdict at the bound is wrong, tail by tail.

``python benchmarks/coverage.py [--draws N] [--json FILE]`` prints one table an interval: images, true rate, coverage of
95 % intervals, and how often each end is on the wrong side. Where the low end is above the truth, a bound that the
release just meets says HOLD; where the high end is below it, a bound that it just misses says SHIP (for the accuracy
gain and kept answers the other way round). Shares are summed over all outcomes, so their figures are exact; the others
are simulated. Goals: coverage >= 93 %, wrong SHIP <= 2.5 %; a simulated share may lie above that by chance, so the
limit printed is what 2.5 % gives in 99 of 100 simulations.
"""

# ruff: noqa: E402 (thread pools are set before anything imports them)

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse
import json
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom

from modelheir.metrics.calibration import calibration_interval, reliability_table
from modelheir.metrics.statistics.correction import bonferroni_confidence
from modelheir.metrics.statistics.intervals import exact, weighted_rate, wilson
from modelheir.metrics.statistics.paired import newcombe, paired_difference, relative_nfr_interval

IMAGES = (200, 500, 1000, 2000, 5000, 10_000)
RATES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
UPDATES = {  # shares of right in both, negative flip, positive flip, wrong in both
    f"NFR {nfr:g}, PFR {pfr:g}, both wrong {wrong:g}": (1 - nfr - pfr - wrong, nfr, pfr, wrong)
    for nfr, pfr, wrong in (
        *((0.002, 0.002, 0.05), (0.002, 0.02, 0.05), (0.005, 0.01, 0.02), (0.01, 0.005, 0.05), (0.02, 0.002, 0.05)),
        *((0.02, 0.02, 0.1), (0.02, 0.05, 0.04), (0.05, 0.08, 0.1), (0.1, 0.2, 0.2), (0.2, 0.02, 0.1)),
        *((0.2, 0.2, 0.2), (0.002, 0.3, 0.2)),
    )
}
Row = dict[str, Any]


def shares(draws: int, of: Callable[..., Any] = exact) -> Iterator[Row]:
    """Every share of all images, or of the old model's right answers: summed over all counts, nothing is drawn."""
    for n in IMAGES:
        count = np.arange(n + 1)
        low, high = of(count, n)
        for rate in RATES:
            chance = binom(n, rate).pmf(count)
            yield row(n, f"{rate:.1%}", chance[low > rate].sum(), chance[high < rate].sum())


def classes(draws: int) -> Iterator[Row]:
    """A bound on every class, all of them just at it: one that is said to miss it holds the release."""
    for many in (10, 100, 1000):
        strict = bonferroni_confidence(0.95, many)
        for n in (20, 100, 1000):
            count = np.arange(n + 1)
            for rate in (0.01, 0.05, 0.2):
                chance = binom(n, rate).pmf(count)
                held = 1 - (1 - chance[exact(count, n, confidence=strict)[0] > rate].sum()) ** many
                ships = chance[exact(count, n)[1] < rate].sum()  # one class at its bound, the others far below it
                yield row(n, f"{rate:.1%}, {many} classes of so many images", held, ships)


def gains(draws: int, of: Callable[..., Any] = paired_difference) -> Iterator[Row]:
    """The accuracy gain."""
    for n in IMAGES:
        for name, update in UPDATES.items():
            low, high = of(drawn(n, update, draws))
            truth = update[2] - update[1]
            yield row(n, name, (low > truth + 1e-12).mean(), (high < truth - 1e-12).mean(), draws)


def relative(draws: int) -> Iterator[Row]:
    """The relative NFR."""
    few = draws // 8
    for n in IMAGES:
        for name, (right, lost, won, wrong) in UPDATES.items():
            truth = lost / ((right + lost) * (lost + wrong))
            ends = [relative_nfr_interval(counts) for counts in drawn(n, (right, lost, won, wrong), few)]
            missed = np.mean([(low > truth, high is not None and high < truth) for low, high in ends], axis=0)
            yield row(n, name, *missed, few)


def graded(draws: int) -> Iterator[Row]:
    """Graded flip rates: flips with weights of a beta distribution."""
    random, few = np.random.default_rng(0), draws // 4
    for n in IMAGES:
        for rate in RATES:
            for a, b in ((1, 1), (2, 5), (0.5, 0.5), (5, 1)):
                truth = rate * a / (a + b)
                ends = np.array([weighted_rate(random.beta(a, b, random.binomial(n, rate)), n) for _ in range(few)])
                missed = (ends[:, 0] > truth).mean(), (ends[:, 1] < truth).mean()
                yield row(n, f"{rate:.1%}, weights beta({a:g}, {b:g})", *missed, few)


def calibration(draws: int) -> Iterator[Row]:
    """The calibration error: confidences of a beta distribution, right less or more often than they say."""
    random, few = np.random.default_rng(0), draws // 16
    for gap in (0.0, 0.02, 0.05, 0.1, -0.02, -0.1):
        many = random.beta(5, 1, 2_000_000)
        honest = np.clip(many - gap, 0, 1)
        truth = _error(many, honest)
        for n in IMAGES:
            ends = []
            for _ in range(few):
                sure = random.beta(5, 1, n)
                right = random.random(n) < np.clip(sure - gap, 0, 1)
                ends.append(calibration_interval(reliability_table(sure, right)))
            low, high = np.array(ends).T
            yield row(n, f"{truth:.2%}, gap {gap:+g}", (low > truth).mean(), (high < truth).mean(), few)


def _error(confidence: np.ndarray, right: np.ndarray) -> float:
    table = reliability_table(confidence, right)
    return sum(one["n"] * abs(one["accuracy"] - one["confidence"]) for one in table) / len(confidence)


def drawn(n: int, update: tuple[float, ...], draws: int) -> np.ndarray:
    """Draw outcome counts, shape ``(draws, 5)``."""
    counts = np.random.default_rng(n).multinomial(n, update, size=draws)
    return np.concatenate([counts, np.zeros((draws, 1), counts.dtype)], axis=1)


def row(n: int, truth: str, low: float, high: float, draws: int | None = None) -> Row:
    """Return a line of a table; ``draws`` is absent where nothing was drawn."""
    return {"n": n, "truth": truth, "coverage": 1 - low - high, "low_above": low, "high_below": high, "draws": draws}


TABLES = {
    "share": ("exact: NFR, churn, kept answers, classes, slices", shares, "high_below"),
    "classes": ("a bound on every class", classes, "high_below"),
    "gain": ("accuracy gain: Newcombe's and Tango's, the wider ends", gains, "low_above"),
    "relative": ("relative NFR (no bound uses it)", relative, None),
    "graded": ("graded flips (no bound uses it)", graded, None),
    "calibration": ("calibration error", calibration, "high_below"),
    "wilson": ("for comparison: Wilson's interval of a share", lambda n: shares(n, wilson), "high_below"),
    "newcombe": ("for comparison: Newcombe's interval of the gain alone", lambda n: gains(n, newcombe), "low_above"),
}  #: name -> what it is, its rows, the end that ships wrongly


def limit(draws: int | None) -> float:
    """Return the most of 2.5 % that chance alone shows in 99 of 100 simulations."""
    return 0.025 + 1e-9 if draws is None else binom(draws, 0.025).ppf(0.99) / draws


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=20_000, help="simulated comparisons a row")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every row")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES), metavar="NAME")
    given = parser.parse_args()
    found = {}
    for name in given.tables:
        words, make, wrong = TABLES[name]
        start = time.perf_counter()
        rows = list(make(given.draws))
        print(f"\n{words}\n{'images':>7}  {'coverage':>8}  {'low above':>9}  {'high below':>10}  truth")
        for one in rows:
            ends = f"{one['coverage']:8.2%}  {one['low_above']:9.2%}  {one['high_below']:10.2%}"
            print(f"{one['n']:>7}  {ends}  {one['truth']}")
        worst = min(one["coverage"] for one in rows)
        said = f"lowest coverage {worst:.2%}"
        if wrong:
            most = max(rows, key=lambda one: one[wrong])
            above = sum(one[wrong] > limit(one["draws"]) for one in rows)
            said += f", most wrong SHIP {most[wrong]:.2%} (limit {limit(most['draws']):.2%}, above it: {above} rows)"
        print(f"{said}, {time.perf_counter() - start:.0f} s")
        found[name] = {"what": words, "ships_wrongly": wrong, "rows": rows}
    if given.json:
        versions = {name: version(name) for name in ("numpy", "scipy")} | {"python": platform.python_version()}
        command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
        commit = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        told = {"command": f"python benchmarks/coverage.py --draws {given.draws} --json FILE", "draws": given.draws}
        given.json.write_text(json.dumps({**told, "commit": commit, "versions": versions, "tables": found}, indent=1))


if __name__ == "__main__":
    main()
