"""Evidence for the losses between student and teacher: each on the same teacher and student, accuracy and cost.

    python docs/evidence/distill_losses.py --data DIR --out runs/evidence_losses --choose          # the weights, once
    python docs/evidence/distill_losses.py --data DIR --out runs/evidence_losses --seeds 0 1 2     # what is reported

The networks and images are those of ``distill.py``; the teacher is its given one, which has seen all training labels,
and runs live in every arm, so that seconds compare. A loss of logits stands alone, on all images without their labels;
a loss of features stands beside KD at temperature 4, as it does not reach the classifier; a loss that needs the label
of every image is trained on the labelled images alone, as many steps. ``--choose`` trains each loss of features at
several weights on a seed of its own (100) and takes the best on the selection images. Writes
``distill_losses_weights.json``, ``distill_losses.json`` and the table of ``distill_losses.md``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import distill
import upgrade

HERE = Path(__file__).parent
CHOICE = HERE / "distill_losses_weights.json"
CHOOSING, EPOCHS = 100, 2
LABELLED_EPOCHS = 24  #: as many steps over the labelled images as EPOCHS over all
POOL = {"fit.epochs": EPOCHS, "method.target.epochs": 0}
KD = "kl_distillation"
#: losses of logits that need no label of every image
LOGITS = (
    *(KD, "jeffreys", "jensen_shannon", "teacher_cross_entropy", "decoupled", "dist", "weighted_soft_labels"),
    *("logit_matching", "logit_distance", "logit_difference", "renyi", "imitation"),
)
#: losses that were measured, were no better than KD, and left the shelf: the records keep them
LEFT = ("teacher_preserving", "KD, logits standardised")
#: losses of features, and the weights that are tried; the last of three is the literature's
WEIGHTS = {
    "hint": (1, 10, 100),
    "attention_transfer": (1, 30, 1000),
    "similarity_preserving": (1, 50, 3000),
    "probabilistic_transfer": (1, 100, 30000),
    "neuron_selectivity": (1, 7, 50),
    "relational": (1, 5, 25),
    "correlation_congruence": (0.02, 1, 10),
    "contrastive_representation": (0.1, 0.8, 5),
    "variational_information": (0.1, 1, 10),
    "masked_generative": (0.1, 1, 10),
    "projector_ensemble": (1, 10, 25),
    "attention_feature": (1, 10, 50),
    "review": (0.1, 1, 5),
    "neighbourhood_alignment": (0.1, 1, 10),
    "random_projection": (0.1, 1, 10),
}
#: losses that need the label of every image
LABELLED = ("new_error", "strict_imitation", "retentive_cross_entropy", "spherical")
LEFT_OUT = {
    "feature_distance": "student and teacher have maps of other widths",
    "feature_alignment": "the student's features are narrower than the teacher's",
    "contrastive_feature_alignment": "the student's features are narrower than the teacher's",
}


def arms(weights: dict[str, float]) -> dict[str, tuple[str, str, dict]]:
    """Return each arm's group, method and settings."""
    known = {"fit.epochs": LABELLED_EPOCHS}
    found: dict[str, tuple[str, str, dict]] = {"labels alone": ("labelled", "finetune", known)}
    for name in LOGITS:
        found[name] = ("logits", "distill", {"method.losses": (name,), **POOL})
    found["KD and labels"] = ("logits", "distill", {"method.losses": (KD,), "method.label_weight": 1.0, **POOL})
    for name in WEIGHTS:
        given = {"method.losses": (KD, name), "method.loss_weights": (1.0, weights[name])}
        found[f"KD + {name}"] = ("features", "distill", {**given, **POOL})
    found["KD, labelled images"] = ("labelled", "distill", {"method.losses": (KD,), **known})
    for name in LABELLED:
        found[name] = ("labelled", "distill", {"method.losses": (name,), **known})
    return found


def prepare(data: Path, out: Path, seed: int) -> tuple[distill.Runner, Path, dict]:
    """Train a seed's teacher; return what trains the arms, the teacher and the pool."""
    import torch

    torch.set_num_threads(1)
    run = distill.Runner(data, out, seed)
    teacher = run("given_teacher", "finetune", {**distill.GIVEN, "seed": 1000 + seed})
    return run, teacher, {"unlabelled": f"parquet:{data}/train.parquet"}


def train_seed(data: Path, out: Path, seed: int) -> None:
    """Train every arm for one seed; what is finished is kept."""
    run, teacher, pool = prepare(data, out, seed)
    for name, (group, method, settings) in arms(json.loads(CHOICE.read_text())["chosen"]).items():
        own = {"teacher": f"run:{teacher}"} if method == "distill" else {}
        run(name, method, {**own, **(pool if group != "labelled" else {}), **settings})


def choose(data: Path, out: Path) -> None:
    """Train each loss of features at its weights on the choosing seed; write the best on the selection images."""
    run, teacher, pool = prepare(data, out, CHOOSING)
    tried: dict[str, dict[str, float]] = {}
    for name, several in WEIGHTS.items():
        for weight in several:
            given = {"method.losses": (KD, name), "method.loss_weights": (1.0, weight), **POOL}
            folder = run(f"choice {name} {weight}", "distill", {"teacher": f"run:{teacher}", **pool, **given})
            value = json.loads((folder / "result.json").read_text())["val/accuracy"]["value"]
            tried.setdefault(name, {})[str(weight)] = value
    folder = run("choice KD", "distill", {"teacher": f"run:{teacher}", **pool, **POOL})
    alone = json.loads((folder / "result.json").read_text())["val/accuracy"]["value"]
    chosen = {name: float(max(values, key=lambda weight: values[weight])) for name, values in tried.items()}
    result = {"seed": CHOOSING, "selection accuracy": tried, "KD alone": alone, "chosen": chosen, **distill.versions()}
    CHOICE.write_text(json.dumps(result, indent=1) + "\n")


def measure(out: Path, seeds: list[int]) -> dict:
    """Return accuracies on the test images, and the seconds of the processor that a run took."""
    from modelheir.runs import read_predictions

    chosen = json.loads(CHOICE.read_text())["chosen"]
    records = []
    for seed in seeds:
        for name in ("given_teacher", *arms(chosen)):
            place = out / f"seed{seed}" / name.replace(" ", "_")
            file = place / "predictions" / "test.parquet"
            if file.is_file():
                found = read_predictions(file)
                right = float((found.prediction == found.label).mean())
                cost = float((place / "seconds.txt").read_text())
                records.append({"seed": seed, "arm": name, "n": len(found), "accuracy": right, "seconds": cost})
    return {"seeds": seeds, "weights": chosen, "records": records, **distill.versions()}


def markdown(result: dict) -> str:
    """Return a table a group, in the order of what was found."""
    rows = arms(result["weights"]) | {name: ("logits", "", {}) for name in LEFT}
    mean = {name: _mean(result, name, "accuracy") for name in rows if distill.over(result, name)}
    lines = []
    for group, title, base in (
        ("logits", "Losses of logits, all images, no labels", KD),
        ("features", "Losses of features beside KD, all images, no labels", KD),
        ("labelled", "On the labelled images alone", "KD, labelled images"),
    ):
        lines += [
            "",
            f"### {title}",
            "",
            f"| loss | weight | accuracy, % | minus {base} | seconds |",
            "|---|---|---|---|---|",
        ]
        for name in sorted((n for n in mean if rows[n][0] == group), key=lambda n: -mean[n]):
            gap = distill.over(result, name, base) if name != base else ""
            weight = f"{rows[name][2].get('method.loss_weights', ('', ''))[1]}"
            cost = f"{_mean(result, name, 'seconds'):.0f}"
            lines.append(f"| {name} | {weight} | {distill.over(result, name)} | {gap} | {cost} |")
    return "\n".join(lines)


def _mean(result: dict, arm: str, key: str) -> float:
    values = [record[key] for record in result["records"] if record["arm"] == arm]
    return sum(values) / max(len(values), 1)


def main() -> None:
    """Choose the weights, or train what is missing and tabulate."""
    choosing = "--choose" in sys.argv
    if choosing:
        sys.argv.remove("--choose")
    args = upgrade.read_arguments(__doc__, Path("runs/evidence_losses"), workers=1)
    data = upgrade.shrink(args.data, args.out, 22)
    if choosing:
        choose(data, args.out)
        return
    if args.only_seed is not None:
        train_seed(data, args.out, args.only_seed)
        return
    upgrade.run_seeds(__file__, args)
    result = measure(args.out, args.seeds)
    (HERE / "distill_losses.json").write_text(json.dumps(result, indent=1) + "\n")
    page = HERE / "distill_losses.md"
    head = page.read_text(encoding="utf-8").partition("<!-- tables -->")[0] if page.is_file() else ""
    page.write_text(f"{head}<!-- tables -->\n{markdown(result)}\n", encoding="utf-8")
    print(markdown(result))


if __name__ == "__main__":
    main()
