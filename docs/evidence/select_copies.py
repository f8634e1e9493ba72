"""Plant changed copies of test images in a pool of training images and see which of them `modelheir select` removes.

    python docs/evidence/select_copies.py --data DIR --out runs/evidence_select --seeds 10 11 12

DIR holds CIFAR-10 (JPEG) as ``train.parquet`` and ``test.parquet``. A seed draws a pool of 3,000 training images and
200 test images, of which each is changed in one way (40 a way) and put among them: scaled by 0.5 to 2, saved as JPEG of
quality 50, cropped to 70 % of each side, turned by 15 degrees to one side (the corners become black), made brighter or
darker by up to 40 %. The target has the 10,000 test images and 5,000 training images that are not in the pool, a tenth
of them val. The teacher is a small network trained on these for some epochs (kept in ``--out``).

CIFAR-10 has true copies of test images among its training images, so not every removed image that nobody planted is a
fault. Each such pair stands on a sheet, ``pairs_SEED.png`` in ``--out``, and was looked at; ``UNLIKE`` lists those that
are judged to be different photographs. Thresholds were chosen on seed 0. Writes ``select_copies.json`` beside
this file.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw, ImageEnhance

import modelheir
from modelheir.assemble.selecting.copies import Removed
from modelheir.selection.keypoints import has_sift

HERE = Path(__file__).parent
KINDS = ("scaled", "JPEG 50", "cropped", "turned", "brighter or darker")
POOL, PLANTED, TRAIN = 3000, 200, 5000
#: removed pairs (image of the pool, its partner) that were looked at and judged to be different photographs
UNLIKE = {("train/14520", "test/07150"), ("train/43314", "test/00194")}


def change(picture: Image.Image, kind: str, rng: np.random.Generator) -> bytes:
    """Return the file of a changed copy."""
    width, height = picture.size
    if kind == "scaled":
        factor = rng.uniform(0.5, 2)
        picture = picture.resize((round(width * factor), round(height * factor)), Image.Resampling.BICUBIC)
    elif kind == "cropped":
        w, h = round(0.7 * width), round(0.7 * height)
        x, y = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
        picture = picture.crop((x, y, x + w, y + h))
    elif kind == "turned":
        picture = picture.rotate(float(rng.choice([-15, 15])), Image.Resampling.BILINEAR)
    elif kind == "brighter or darker":
        picture = ImageEnhance.Brightness(picture).enhance(rng.uniform(0.6, 1.4))
    store = io.BytesIO()
    picture.save(store, "JPEG" if kind == "JPEG 50" else "PNG", quality=50)
    return store.getvalue()


def plant(data: Path, out: Path, seed: int) -> None:
    """Write the pool of a seed, and its target."""
    rng = np.random.default_rng(seed)
    train, test = pq.read_table(data / "train.parquet"), pq.read_table(data / "test.parquet")
    drawn = rng.permutation(len(train))
    chosen = rng.permutation(len(test))[:PLANTED]
    cells = [
        {"bytes": train["img"][int(row)].as_py()["bytes"], "path": f"train/{row:05d}"} for row in sorted(drawn[:POOL])
    ]
    for number, row in enumerate(chosen):
        kind = KINDS[number % len(KINDS)]
        picture = Image.open(io.BytesIO(test["img"][int(row)].as_py()["bytes"])).convert("RGB")
        cells.append({"bytes": change(picture, kind, rng), "path": f"planted/{kind}/{row:05d}"})
    order = rng.permutation(len(cells))
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    column = pa.array([cells[i] for i in order], kind)
    (out / "target").mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"img": column, "label": pa.array([-1] * len(cells))}), out / "pool.parquet")
    rest = train.take(pa.array(np.sort(drawn[POOL : POOL + TRAIN])))
    named = {"train": (rest, np.sort(drawn[POOL : POOL + TRAIN])), "test": (test, np.arange(len(test)))}
    for split, (table, rows) in named.items():
        cells = [
            {"bytes": cell["bytes"], "path": f"{split}/{row:05d}"}
            for cell, row in zip(table["img"].to_pylist(), rows, strict=True)
        ]
        table = table.set_column(table.column_names.index("img"), "img", pa.array(cells, kind))
        pq.write_table(table, out / "target" / f"{split}.parquet")


def run(data: Path, out: Path, seed: int) -> dict:
    """Select from the pool of a seed and count."""
    place = out / f"seed_{seed}"
    if not (place / "pool.parquet").is_file():
        plant(data, place, seed)
    target, teacher = f"parquet:{place / 'target'}", out / "teacher"
    if not teacher.exists():
        modelheir.train("finetune", data=target, model="convnet", out=str(teacher), fit={"epochs": 8}, quiet=True)
    found = modelheir.select(
        pool=f"parquet:{place / 'pool.parquet'}", data=target, teacher=f"run:{teacher}", out=place / "selected",
        top_k=200, union=False,
    )  # fmt: skip
    return count(place, found.removed, seed, out)


def count(place: Path, removed: Sequence[Removed], seed: int, out: Path) -> dict:
    """Count what was removed, by kind, and draw the pairs that nobody planted."""
    rows = {one.sample_id: one for one in removed}
    planted = {name: name.split("/") for name in pool_ids(place) if name.startswith("planted/")}
    kinds = {
        kind: {
            "planted": sum(parts[1] == kind for parts in planted.values()),
            "removed": sum(parts[1] == kind and name in rows for name, parts in planted.items()),
            "with its own original": sum(
                parts[1] == kind and name in rows and rows[name].partner == f"test/{parts[2]}"
                for name, parts in planted.items()
            ),
            "by keypoints": sum(
                parts[1] == kind and name in rows and rows[name].reason == "keypoints"
                for name, parts in planted.items()
            ),
        }
        for kind in KINDS
    }
    others = sorted(
        (one for one in removed if one.sample_id not in planted), key=lambda one: (one.partner_split, one.score)
    )
    sheet(place, others, out / f"pairs_{seed}.png")
    unlike = [one for one in others if (one.sample_id, one.partner) in UNLIKE]
    return {
        "seed": seed,
        "planted": kinds,
        "recall": sum(one["removed"] for one in kinds.values()) / PLANTED,
        "missed": sorted(set(planted) - set(rows)),
        "rest": POOL,
        "rest removed": len(others),
        "rest removed, judged different photographs": len(unlike),
        "rest removed by split": {
            split: sum(one.partner_split == split for one in others) for split in ("test", "val", "train", "pool")
        },
        "false removals": len(unlike) / POOL,
        "pairs": [
            [one.sample_id, one.partner, one.reason, round(one.score, 3), (one.sample_id, one.partner) not in UNLIKE]
            for one in others
        ],
    }


def pool_ids(place: Path) -> list[str]:
    """Return the ids of a pool."""
    return [cell["path"] for cell in pq.read_table(place / "pool.parquet")["img"].to_pylist()]


def sheet(place: Path, pairs: list, path: Path) -> None:
    """Draw pairs side by side, with their numbers."""
    held = {}
    for file in (place / "pool.parquet", *(place / "target").glob("*.parquet")):
        held |= {cell["path"]: cell["bytes"] for cell in pq.read_table(file)["img"].to_pylist()}
    across, edge = 8, 96
    canvas = Image.new("RGB", (across * (2 * edge + 12), (-(-len(pairs) // across) or 1) * (edge + 28)), "white")
    draw = ImageDraw.Draw(canvas)
    for number, one in enumerate(pairs):
        x, y = (number % across) * (2 * edge + 12), (number // across) * (edge + 28)
        for side, name in enumerate((one.sample_id, one.partner)):
            picture = Image.open(io.BytesIO(held[name])).convert("RGB").resize((edge, edge), Image.Resampling.NEAREST)
            canvas.paste(picture, (x + side * edge, y))
        draw.text((x, y + edge), f"{one.sample_id[-5:]} {one.partner} {one.reason[:3]} {one.score:.2f}", fill="black")
    canvas.save(path)


def main() -> None:
    """Run the seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/evidence_select"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[10, 11, 12])
    parser.add_argument("--json", type=Path, default=HERE / "select_copies.json")
    given = parser.parse_args()
    rows = [run(given.data, given.out, seed) for seed in given.seeds]
    result = {"data": "CIFAR-10 (JPEG)", "keypoints": has_sift(), "unlike": sorted(UNLIKE), "seeds": rows}
    given.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for row in rows:
        print({key: value for key, value in row.items() if key != "pairs"})


if __name__ == "__main__":
    main()
