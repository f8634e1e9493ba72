"""Lists, manifests and tables of images through ``predict`` of a tiny model."""

import mutate
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from modelheir.cli import main

CLASSES = ("a", "b")


class Maker:
    """Trains a model in a second, then writes an odd source for it."""

    def __init__(self, folder):
        self.folder = folder
        rng = np.random.default_rng(0)
        paths = []
        for name in CLASSES:
            (folder / "train" / name).mkdir(parents=True)
            for number in range(4):
                path = f"train/{name}/{number}.png"
                Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(folder / path)
                paths.append((path, name))
        words = ["train", "finetune", "--data", f"folder:{folder}/train", "--out", f"{folder}/v1", "--model", "convnet"]
        assert main([*words, "--quiet", "--device", "cpu", "--epochs", "1"]) == 0
        self.list = "".join(f"{path} {name}\n" for path, name in paths)
        self.manifest = {
            "path": [path for path, _ in paths],
            "label": [name for _, name in paths],
            "split": ["train"] * 8,
        }
        table = pa.table({"image": [(folder / path).read_bytes() for path, _ in paths], "label": [n for _, n in paths]})
        pq.write_table(table, folder / "good.parquet")
        self.parquet = (folder / "good.parquet").read_bytes()

    def words(self, rng):
        way = rng.randrange(4)
        if way == 0:
            content = mutate.lines_of(rng, self.list).encode("utf-8", "surrogatepass")
            content = mutate.bytes_of(rng, content) if rng.random() < 0.3 else content
            (self.folder / "l.txt").write_bytes(content)
            data = "list:l.txt"
        elif way == 1:
            columns = {name: list(cells) for name, cells in self.manifest.items()}
            name = rng.choice([*columns])
            columns[name][rng.randrange(8)] = rng.choice([None, "b", *mutate.WORDS])
            if rng.random() < 0.3:
                columns[name] = rng.choice([[0] * 8, [1.5] * 8, [[1]] * 8, [None] * 8, [b"\xff"] * 8, [{"a": 1}] * 8])
            if rng.random() < 0.2:
                del columns[rng.choice([*columns])]
            pq.write_table(pa.table(columns), self.folder / "m.parquet")
            data = "manifest:m.parquet"
        elif way == 2:
            (self.folder / "t.parquet").write_bytes(mutate.bytes_of(rng, self.parquet))
            data = "parquet:t.parquet"
        else:
            self._damage_image(rng)
            (self.folder / "l.txt").write_text("i.png a\ntrain/b/0.png b\ntrain/a/1.png a\ntrain/b/2.png b\n")
            data = "list:l.txt"
        words = [
            "predict",
            "v1",
            "--data",
            data,
            "--split",
            "train",
            "--out",
            "o.parquet",
            "--quiet",
            "--device",
            "cpu",
        ]
        return [*words, "--inputs.workers", "0"]

    def _damage_image(self, rng):
        good = (self.folder / "train" / "a" / "0.png").read_bytes()
        (self.folder / "i.png").write_bytes(mutate.bytes_of(rng, good))
