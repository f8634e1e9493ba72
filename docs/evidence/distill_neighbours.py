"""Evidence beside distillation: pools off the topic, stored crops, and methods that need no teacher.

    python docs/evidence/distill_neighbours.py --data DIR --out runs/evidence_neighbours --seeds 0 1 2

Networks, images and steps are those of ``distill.py``, whose J arms are trained here too (a pool with other classes in
it, and what ``modelheir select`` takes from it). The stored crops are of the 4,000 labelled images and what a teacher
of all labels says of them: the same crop in every pass, four, or another one in each of 60 passes. ``mutual``,
``pseudo_label`` and ``fixmatch`` learn from the 4,000 labels, the latter two with all other training images as their
pool; fixmatch has one image of the pool to one with a label, not its default of seven. Writes
``distill_neighbours.json`` and the tables of ``distill_neighbours.md``.
"""

from __future__ import annotations

import json
from pathlib import Path

import distill
import upgrade

HERE = Path(__file__).parent
CROPS = {"one crop": 1, "4 crops": 4, "60 crops": 60}
#: table -> (the arm that others are held against, arm -> what it is)
TABLES = {
    "Images off the topic": (
        "J none",
        {
            "J_teacher": "the teacher: 5 classes, 2,000 labels, 0.2 million parameters",
            **{name: about for name, about in distill.MORE.items() if name.startswith("J")},
        },
    ),
    "What a teacher of all labels says of stored crops of 4,000 images": (
        "60 crops",
        {name: f"{views} a labelled image, 60 passes" for name, views in CROPS.items()},
    ),
    "Without a teacher": (
        "A",
        {
            "A": "labels alone",
            "mutual": "two students, labels",
            "pseudo_label": "labels, then also the pool's surest images by the first network",
            "fixmatch": "labels and pool together",
        },
    ),
}


def train_seed(data: Path, out: Path, seed: int) -> None:
    """Train every arm for one seed; what is finished is kept."""
    import torch

    torch.set_num_threads(1)
    run = distill.Runner(data, out, seed)
    run("A", "finetune", distill.LABELS)
    teacher = run("given_teacher", "finetune", {**distill.GIVEN, "seed": 1000 + seed})
    for name, views in CROPS.items():
        stored = run.cache(f"cache_{views}", teacher, views)
        run(name, "distill", {"teacher": stored, **distill.LABELS})
    pool = {"unlabelled": f"parquet:{data}/train.parquet"}
    run("mutual", "mutual", distill.LABELS)
    run("pseudo_label", "pseudo_label", {**pool, **distill.LABELS})
    run("fixmatch", "fixmatch", {**pool, "fit.epochs": distill.EPOCHS, "method.ratio": 1})
    distill.train_off_topic(run, data)


def measure(out: Path, seeds: list[int]) -> dict:
    """Return accuracies on the test images, and the seconds of the processor that a run took."""
    from modelheir.runs import read_predictions

    records = []
    for seed in seeds:
        for name in (arm for _, arms in TABLES.values() for arm in arms):
            place = out / f"seed{seed}" / name.replace(" ", "_")
            file = place / "predictions" / "test.parquet"
            if file.is_file():
                found = read_predictions(file)
                right = float((found.prediction == found.label).mean())
                cost = float((place / "seconds.txt").read_text())
                records.append({"seed": seed, "arm": name, "n": len(found), "accuracy": right, "seconds": cost})
        chosen = out / f"seed{seed}" / "J_pool" / "selected" / "manifest.parquet"
        if chosen.is_file():
            records.append({"seed": seed, "arm": "J selected", "on topic": on_topic(chosen)})
        for views in CROPS.values():
            note = out / f"seed{seed}" / f"cache_{views}_seconds.txt"
            if note.is_file():
                records.append({"seed": seed, "arm": f"cache_{views}", "seconds": float(note.read_text())})
    held = {arm: {record["seed"] for record in records if record["arm"] == arm} for arm in {r["arm"] for r in records}}
    whole = [record for record in records if held[record["arm"]] == set(seeds)]  # an arm counts when it has every seed
    return {"seeds": seeds, "records": whole, **distill.versions()}


def on_topic(manifest: Path) -> float:
    """Return which share of the chosen images is of the teacher's classes; at random it is about a half."""
    import pyarrow.parquet as pq

    classes = [name.partition("/")[0] for name in pq.read_table(manifest)["sample_id"].to_pylist()]
    return sum(name in distill.FIVE for name in classes) / len(classes)


def markdown(result: dict) -> str:
    """Return a table a question."""
    lines = []
    done = {record["arm"] for record in result["records"]}
    for title, (base, arms) in TABLES.items():
        if base not in done:
            continue
        lines += [
            "",
            f"### {title}",
            "",
            f"| arm | what | accuracy, % | minus {base} | seconds |",
            "|---|---|---|---|---|",
        ]
        for arm, about in arms.items():
            cost = [record["seconds"] for record in result["records"] if record["arm"] == arm]
            if cost:
                gap = distill.over(result, arm, base) if arm != base else ""
                lines.append(f"| {arm} | {about} | {distill.over(result, arm)} | {gap} | {sum(cost) / len(cost):.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Train what is missing, then tabulate."""
    args = upgrade.read_arguments(__doc__, Path("runs/evidence_neighbours"), workers=1)
    data = upgrade.shrink(args.data, args.out, 22)
    if args.only_seed is not None:
        train_seed(data, args.out, args.only_seed)
        return
    upgrade.run_seeds(__file__, args)
    result = measure(args.out, args.seeds)
    (HERE / "distill_neighbours.json").write_text(json.dumps(result, indent=1) + "\n")
    page = HERE / "distill_neighbours.md"
    head = page.read_text(encoding="utf-8").partition("<!-- tables -->")[0] if page.is_file() else ""
    page.write_text(f"{head}<!-- tables -->\n{markdown(result)}\n", encoding="utf-8")
    print(markdown(result))


if __name__ == "__main__":
    main()
