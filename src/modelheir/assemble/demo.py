"""The demonstration: ship the next digit classifier, plainly and safely, on the digits that scikit-learn ships."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from modelheir import analysis, report
from modelheir.assemble.arms import Arm, pairs, train_arms
from modelheir.assemble.pages import gallery_images, run_curves, run_provenance
from modelheir.extras import need_train

__all__ = ["arms", "demo"]

BASE: Mapping[str, Any] = {
    "data": "digits",
    "model": "convnet",
    "network.kwargs": {"width": 8, "blocks": 3},
    "device": "cpu",
    "inputs.augment": "crop",
    "inputs.test_fraction": 0.5,
    "inputs.val_fraction": 0.1,
    "fit.epochs": 30,
    "fit.batch_size": 64,
    "fit.optimizer": "sgd",
    "fit.lr": 0.05,
    "fit.schedule": "cosine",
    "fit.save_every_epochs": 0,
}

#: a small weight for few epochs, and a pull to version 1, which was trained plainly
ELODI = {"method.members": 4, "method.pull.weight": 0.3, "method.old_pull.weight": 0.3}


def arms() -> list[Arm]:
    """Return version 1 and the ways to version 2."""
    return [
        Arm("version 1", settings={"inputs.train_fraction": 0.5}),
        Arm("plain", old="version 1", teaches=False),
        Arm("focal distillation", "upgrade", {"method.pull.weight": 1.0}, old="version 1"),
        Arm("ELODI", "elodi", ELODI, old="version 1"),
    ]


def demo(
    out: Path | str = "runs/demo",
    *,
    seeds: Sequence[int] = (0, 1, 2),
    max_nfr: float = 0.02,
    watch: Callable[[str, int, int, int], None] | None = None,
    command: Sequence[str] = (),
) -> tuple[list[dict[str, Any]], Path]:
    """Train a version 1 on half of the digits, then version 2 in three ways, and write the page.

    Args:
        out: Folder of the runs and of ``report.html``.
        seeds: Paired: every way starts from the same seeds and the same version 1.
        max_nfr: The gate: largest negative flip rate allowed, a fraction of the test images.
        watch: Called with arm, seed, runs done and runs in all.
        command: What was typed, for the provenance of every run.

    Returns:
        The rows of the table (see :func:`modelheir.analysis.arms.arm_rows`) and the path of the page.
    """
    need_train("the demonstration")
    import torch

    ways, threads = arms(), torch.get_num_threads()
    torch.set_num_threads(1)  # networks this small lose more to handing work over than they gain
    try:
        folders = train_arms(ways, BASE, seeds=seeds, out=out, watch=watch, command=command)
    finally:
        torch.set_num_threads(threads)
    found = pairs(folders, ways)
    rows = analysis.arm_rows(found, baseline="plain", gate=analysis.GateConfig(max_nfr=max_nfr))
    first = seeds[0]
    best = min(rows, key=lambda row: row["nfr"])
    old, new = found[best["name"]][first]
    page = report.write_runs(
        Path(out) / "report.html",
        [{**row, "chosen": row is best} for row in rows],
        title="Version 2 of a digit classifier",
        note=(
            f"Version 1 was trained on half of the digits, every version 2 on all of them; {len(seeds)} paired "
            f"seeds, {len(old)} test images each. Intervals are 95 % over seeds. The gate allows a negative flip "
            f"rate of {max_nfr:.0%}, met when the upper end of each seed's interval is below it."
        ),
        error_old=rows[0]["error_old"],
        flipped=analysis.flipped.flipped(old, new),
        names=("version 1", best["name"]),
        images=gallery_images("digits", folders[best["name"]][first]),
        curves={name: run_curves(by_seed[first]) for name, by_seed in folders.items()},
        provenance={name: run_provenance(by_seed[first]) for name, by_seed in folders.items()},
    )
    return rows, page
