"""Fewer labels at the gate: how many labels of disagreements give the verdict of all, and how often it is wrong.

Run ``OMP_NUM_THREADS=1 python docs/evidence/gate_labels.py`` (minutes on one core). It writes ``gate_labels.json``
beside itself and prints the tables of ``gate_labels.md``.

Test sets are drawn from a known population, of the sizes of CIFAR-10's test set and of ImageNet's validation set, so a
verdict is right or wrong. Of the disagreements 30 % are negative flips, 40 % positive ones, 30 % other errors. The
bound on NFR is the true NFR times a factor: 2 and 1.25 should ship, 0.8 and 0.5 should hold, 0.999 is the hardest.
"""

from __future__ import annotations

import json
import platform
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import scipy

import modelheir
from modelheir.analysis.labelling.rates import Seen, measure_seen
from modelheir.metrics.statistics.intervals import exact
from modelheir.metrics.statistics.paired import paired_difference
from modelheir.metrics.statistics.sequential import sequence

IMAGES = {"10,000 (CIFAR-10)": 10_000, "50,000 (ImageNet)": 50_000}
RATES = (0.005, 0.02, 0.05)  #: NFR of the population
AMONG = (0.3, 0.4, 0.3)  #: of disagreements: negative flips, positive flips, other errors
FACTORS = (2.0, 1.25, 0.8, 0.5)  #: bound over NFR
SHARES = (0.05, 0.1, 0.2, 0.5, 1.0)  #: of disagreements that are labelled
DRAWS, HARD_DRAWS, SEED = 60, 400, 0
HARD = 0.999  #: bound over NFR where shipping is just wrong
ACCURACY = 0.8  #: of the images on which both models agree
LOOKS = 200  #: of the sequential gate, evenly over the labels


def verdict(ends: tuple[float, float], bound: float) -> str:
    """Judge an upper bound, as the gate does."""
    return "ship" if ends[1] <= bound else "hold" if ends[0] > bound else "open"


def is_wrong(said: str, factor: float) -> bool:
    """Tell whether a verdict is false in the population."""
    return said == ("ship" if factor < 1 else "hold")


def draw(images: int, rate: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return of a test set the kinds of its disagreements in the order of the draw, and where each one stands."""
    kinds = rng.choice(3, size=images, p=AMONG)
    place = np.flatnonzero(rng.random(images) < rate / AMONG[0])
    return kinds[place], place


def seen(images: int, kinds: np.ndarray, place: np.ndarray, count: int) -> Seen:
    """Return what the first ``count`` labels say."""
    lost, won, other = np.bincount(kinds[:count], minlength=3)
    covered = images if count == len(kinds) else int(place[count])
    return Seen(images, len(kinds), count, np.array([0, lost, won, 0, other]), covered)


def one_setting(images: int, rate: float, rng: np.random.Generator) -> dict[str, Any]:
    """Judge test sets of one size and one NFR by all labels, by shares of the disagreements, and by early looks."""
    rows = {(factor, share): Counter() for factor in FACTORS for share in SHARES}
    looks: dict[float, list[dict[str, Any]]] = {factor: [] for factor in FACTORS}
    gains = {share: Counter() for share in (0.2, 1.0)}
    labels = []
    for _ in range(DRAWS):
        kinds, place = draw(images, rate, rng)
        labels.append(len(kinds) / images)
        lost, won, other = np.bincount(kinds, minlength=3)
        right = rng.binomial(images - len(kinds), ACCURACY)
        counts = np.array([right, lost, won, images - len(kinds) - right, other])
        everything = exact(int(lost), images)
        for share in SHARES:
            now = seen(images, kinds, place, max(1, round(share * len(kinds))))
            ends = measure_seen("nfr", now, sequential=False).ends(1.0, 0.95)
            for factor in FACTORS:
                said, full = verdict(ends, factor * rate), verdict(everything, factor * rate)
                rows[factor, share] += Counter(
                    {"same": said == full, "decided": said != "open", "wrong": is_wrong(said, factor)}
                )
                rows[factor, share]["opposite"] += {said, full} == {"ship", "hold"}
            if share in gains:
                gain = measure_seen("accuracy_gain", now, sequential=False).ends(1.0, 0.95)
                told, whole = (("met" if e[0] >= 0 else "open") for e in (gain, paired_difference(counts)))
                gains[share] += Counter({"same": told == whole, "decided": told == "met", "all": whole == "met"})
        stops = np.unique(np.linspace(1, len(kinds), LOOKS).round().astype(int))
        covered = np.where(stops == len(kinds), images, place[np.minimum(stops, len(kinds) - 1)])
        lows, highs = sequence(np.cumsum(kinds == 0)[stops - 1], covered)
        for factor in FACTORS:
            said = [verdict(ends, factor * rate) for ends in zip(lows, highs, strict=True)]
            first = next((k for k, word in enumerate(said) if word != "open"), len(said) - 1)
            looks[factor].append({"said": said[first], "share": float(stops[first] / len(kinds))})
    return {
        "images": images,
        "nfr": rate,
        "labels_of_all": float(np.mean(labels)),
        "shares": [
            {
                "factor": factor,
                "share": share,
                **{k: found[k] / DRAWS for k in ("same", "decided", "wrong", "opposite")},
            }
            for (factor, share), found in rows.items()
        ],
        "gain": [
            {"share": share, **{k: found[k] / DRAWS for k in ("same", "decided", "all")}}
            for share, found in gains.items()
        ],
        "sequential": [
            {
                "factor": factor,
                "decided": float(np.mean([one["said"] != "open" for one in found])),
                "wrong": float(np.mean([is_wrong(one["said"], factor) for one in found])),
                "mean_share": float(np.mean([one["share"] for one in found])),
                "median_share": float(np.median([one["share"] for one in found])),
            }
            for factor, found in looks.items()
        ],
    }


def hardest(images: int, rate: float, rng: np.random.Generator) -> dict[str, Any]:
    """Count wrong releases where the truth is just above the bound, and what looking early does to either gate."""
    found = Counter()
    for _ in range(HARD_DRAWS):
        kinds, place = draw(images, rate, rng)
        now = seen(images, kinds, place, max(1, round(0.2 * len(kinds))))
        bound = HARD * rate
        found["all"] += verdict(exact(int((kinds == 0).sum()), images), bound) == "ship"
        found["fifth"] += verdict(measure_seen("nfr", now, sequential=False).ends(1.0, 0.95), bound) == "ship"
        stops = np.arange(1, len(kinds))
        hits, covered = np.cumsum(kinds == 0)[stops - 1], place[stops]
        found["sequential"] += bool((sequence(hits, covered)[1] <= bound).any())
        found["exact_at_every_look"] += bool((exact(hits, covered)[1] <= bound).any())
    return {
        "images": images,
        "nfr": rate,
        **{name: found[name] / HARD_DRAWS for name in ("all", "fifth", "sequential", "exact_at_every_look")},
    }


def percent(value: float) -> str:
    """Write a fraction as percent."""
    return f"{100 * value:.1f} %"


def tables(result: dict[str, Any]) -> str:
    """Write the tables of the page."""
    lines = ["| images | NFR | labels of all | bound / NFR | " + " | ".join(f"{share:.0%}" for share in SHARES) + " |"]
    lines.append("|---" * (4 + len(SHARES)) + "|")
    for one in result["settings"]:
        for factor in FACTORS:
            cells = [
                f"{100 * row['same']:.0f} ({100 * row['decided']:.0f})"
                for row in one["shares"]
                if row["factor"] == factor
            ]
            head = f"| {one['images']:,} | {percent(one['nfr'])} | {percent(one['labels_of_all'])} | {factor:g} | "
            lines.append(head + " | ".join(cells) + " |")
    lines += ["", "| images | NFR | bound / NFR | decided | labels, mean | median | wrong |", "|---" * 7 + "|"]
    for one in result["settings"]:
        for row in one["sequential"]:
            lines.append(
                f"| {one['images']:,} | {percent(one['nfr'])} | {row['factor']:g} | {100 * row['decided']:.0f} | "
                f"{percent(row['mean_share'])} | {percent(row['median_share'])} | {percent(row['wrong'])} |"
            )
    lines += ["", "| images | NFR | all labels | all disagreements | a fifth of them |", "|---" * 5 + "|"]
    for one in result["settings"]:
        few, every = one["gain"]
        cells = (f"{100 * value:.0f}" for value in (every["all"], every["decided"], few["decided"]))
        lines.append(f"| {one['images']:,} | {percent(one['nfr'])} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "| images | NFR | all labels | a fifth | sequential, every look | exact, every look |",
        "|---" * 6 + "|",
    ]
    for row in result["hardest"]:
        lines.append(
            f"| {row['images']:,} | {percent(row['nfr'])} | {percent(row['all'])} | {percent(row['fifth'])} | "
            f"{percent(row['sequential'])} | {percent(row['exact_at_every_look'])} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Draw, judge, write, print."""
    start, here = time.perf_counter(), Path(__file__)
    rng = np.random.default_rng(SEED)
    cases = [(images, rate) for images in IMAGES.values() for rate in RATES]
    result: dict[str, Any] = {
        "versions": {
            "modelheir": modelheir.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
        },
        "commit": subprocess.run(
            ["git", "-C", str(here.parent), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip(),
        "seed": SEED,
        "draws": DRAWS,
        "hard_draws": HARD_DRAWS,
        "settings": [one_setting(*case, rng) for case in cases],
        "hardest": [hardest(*case, rng) for case in cases],
    }
    result["seconds"] = round(time.perf_counter() - start, 1)
    here.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(tables(result))


if __name__ == "__main__":
    main()
