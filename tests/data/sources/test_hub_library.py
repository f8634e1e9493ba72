"""``hf:`` with the real ``datasets`` package, on a folder of Parquet files: no network."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

pytest.importorskip("datasets", reason="needs the extra 'hub'")

READ = """
import sys
from modelheir.config.inputs import InputConfig
from modelheir.data import open_splits
splits = open_splits("hf:" + sys.argv[1], InputConfig())
test = splits["test"]
print([len(splits[name]) for name in ("train", "val", "test")])
print(list(test.classes), test.labels[:3].tolist(), test.image(1).mean())
"""


def write(path, count, first):
    """Write ``count`` grey pictures, brighter by 10 from one to the next, in the hub's layout."""
    cells = []
    for number in range(count):
        text = io.BytesIO()
        Image.fromarray(np.full((8, 8, 3), first + 10 * (number % 20), np.uint8)).save(text, "png")
        cells.append({"bytes": text.getvalue(), "path": None})
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"image": pa.array(cells, image), "label": pa.array([n % 2 for n in range(count)], pa.int64())})
    features = {"image": {"_type": "Image"}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    about = json.dumps({"info": {"features": features}})
    pq.write_table(table.replace_schema_metadata({"huggingface": about}), path)


def test_a_folder_is_read_as_the_library_reads_it(tmp_path):
    place = tmp_path / "pets"
    place.mkdir()
    write(place / "train.parquet", 40, 0)
    write(place / "test.parquet", 6, 50)
    env = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", READ, place], capture_output=True, text=True, env=env, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[36, 4, 6]\n['cat', 'dog'] [0, 1, 0] 60.0\n"
