"""The main arms of the update experiment on all training images, where the old model errs on a fifth of them.

    python docs/evidence/upgrade_large.py --data DIR --out runs/evidence_large --seeds 0 1 2 --workers 3

Two parts of setting (i), the same data and network twice. ``full``: 24 pixels, a network of four blocks. ``elodi``:
ensembles and their students on both sides, at 16 pixels with three blocks, as they cost fourteen trainings a seed. Runs
that are finished are not trained again; ``upgrade_large.json`` and the tables of ``upgrade_large.md`` are written
beside this file. Every setting was fixed before; test images choose nothing.
"""

from __future__ import annotations

import json
from pathlib import Path

import upgrade
from upgrade import Runner, arm

MEMBERS = 4
FULL = {
    "inputs.train_fraction": 1.0,
    "fit.epochs": 10,
    "fit.evaluate_every": 10,
    "fit.precision": "bf16",
    "network.kwargs": {"width": 32, "blocks": 4},
}
ELODI = FULL | {"network.kwargs": {"width": 32, "blocks": 3}}
ARMS = (("FD-KL", 1.0), ("LDI", 1.0), ("FD-LM", 0.3), ("KD", 1.0))
TITLES = {"full": "(i) at 24 pixels", "elodi": "(i) at 16 pixels, with ensembles and ELODI"}
#: settings of ELODI: the published share of the loss and distance, and a sum with all logits
STUDENTS = {
    "share 0.8": {"pull.mix_alpha": 0.8},
    "sum, all logits": {"pull.mix_alpha": -1.0, "pull.weight": 1.0, "distance.loss": "logit_matching"},
}


def train_full(run: Runner) -> dict:
    """Train the arms of an update from one old model; return the pairs (old, new) of each arm."""
    old = run("old", settings=FULL)
    pairs = {"none": ([old], [run("new plain", settings=FULL)])}
    for name, weight in ARMS:
        method, given = arm(name, weight)
        pairs[f"{name} {weight:g}"] = ([old], [run(f"new {name} {weight:g}", method, {**given, **FULL}, [old])])
    return pairs


def train_elodi(run: Runner) -> dict:
    """Train an ensemble on each side and its students; a plain model of each side is one more network."""
    plain = [run(f"{side} plain", settings=ELODI) for side in ("old", "new")]
    pairs = {"none": ([plain[0]], [plain[1]])}
    method, given = arm("FD-KL", 1.0)
    pairs["FD-KL 1"] = ([plain[0]], [run("new FD-KL 1", method, {**given, **ELODI}, [plain[0]])])
    old, new = (run.members(side, ELODI, MEMBERS) for side in ("old", "new"))
    pairs[f"ensembles {MEMBERS}"] = (old, new)
    for title, own in STUDENTS.items():
        student = upgrade.elodi(run, f"new student {title}", new, ELODI, **own)
        before = upgrade.elodi(run, f"old student {title}", old, ELODI, **own)
        pairs[f"ELODI new side, {title}"] = ([plain[0]], [student])
        pairs[f"ELODI both sides, {title}"] = ([before], [student])
    # not in the papers: the student of the new ensemble also follows the old plain model
    joint = STUDENTS["sum, all logits"] | {"old_pull.weight": 0.3, "old_distance.loss": "logit_matching"}
    student = upgrade.elodi(run, "new student of both", new, ELODI, old=plain[0], **joint)
    pairs["ELODI + matching the old model"] = ([plain[0]], [student])
    return pairs


def train_seed(data: Path, out: Path, seed: int) -> None:
    """Train both parts for one seed; what is finished is kept."""
    import torch

    torch.set_num_threads(1)
    for part, pixels, train in (("full", 24, train_full), ("elodi", 16, train_elodi)):
        run = Runner(data / f"cifar10_{pixels}px", out / part, seed)
        run.out.mkdir(parents=True, exist_ok=True)
        (run.out / "pairs.json").write_text(json.dumps(train(run)))


def tabulate(out: Path, seeds: list[int]) -> dict:
    """Measure every pair on the test images and tabulate over the seeds that are finished."""
    from modelheir.analysis.arms import arm_rows

    settings = {}
    for part in TITLES:
        arms: dict[str, dict[int, tuple]] = {}
        for seed in seeds:
            pairs = out / part / f"seed{seed}" / "pairs.json"
            for name, sides in (json.loads(pairs.read_text()) if pairs.is_file() else {}).items():
                arms.setdefault(name, {})[seed] = tuple(upgrade.said(side) for side in sides)
        settings[part] = arm_rows(arms, baseline="none") if arms else []
        for row in settings[part]:
            row.pop("gate")
    return {"seeds": seeds, "settings": settings}


def main() -> None:
    """Train what is missing, a process a seed, then tabulate."""
    args = upgrade.read_arguments(__doc__, Path("runs/evidence_large"), workers=3)
    for pixels in (24, 16):
        upgrade.shrink(args.data, args.out, pixels)
    if args.only_seed is not None:
        train_seed(args.out, args.out, args.only_seed)
        return
    upgrade.run_seeds(__file__, args)
    upgrade.write_tables(tabulate(args.out, args.seeds), TITLES, "upgrade_large")


if __name__ == "__main__":
    main()
