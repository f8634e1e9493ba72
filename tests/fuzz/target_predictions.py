"""Files of predictions, CSV and Parquet, through ``compare``."""

import json

import mutate
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

TYPES = [
    pa.int64(),
    pa.int8(),
    pa.uint64(),
    pa.float64(),
    pa.float16(),
    pa.string(),
    pa.large_string(),
    pa.binary(),
    pa.bool_(),
    pa.date32(),
    pa.timestamp("ns"),
    pa.decimal128(38, 2),
    pa.null(),
    pa.list_(pa.float32()),
    pa.list_(pa.string()),
    pa.struct([("a", pa.int64())]),
    pa.map_(pa.string(), pa.int64()),
    pa.dictionary(pa.int8(), pa.string()),
    pa.list_(pa.float32(), 3),
    pa.duration("s"),
    pa.time64("us"),
    pa.dictionary(pa.int32(), pa.int64()),
]
NAMES = ["sample_id", "label", "prediction", "logits", "probabilities", "features", "domain", "logit_0", "logit_1", "x"]


class Maker:
    """Writes ``a`` and ``b`` and says how to compare them."""

    def __init__(self, folder):
        self.folder = folder
        rows = ["sample_id,label,prediction,domain"]
        rows += [f'i{row},{row % 3},{(row * 7) % 3},"d{row % 2}"' for row in range(20)]
        self.csv = "\n".join(rows) + "\n"
        (folder / "good.csv").write_text(self.csv)
        self.table = pa.table(
            {
                "sample_id": [f"i{row}" for row in range(20)],
                "label": [row % 3 for row in range(20)],
                "domain": [f"d{row % 2}" for row in range(20)],
                "logits": pa.array(np.eye(3, dtype=np.float32)[[(row * 7) % 3 for row in range(20)]].tolist()),
            }
        )
        pq.write_table(self.table, folder / "good.parquet")
        self.parquet = (folder / "good.parquet").read_bytes()

    def words(self, rng):
        way = rng.randrange(6)
        path = self.folder / ("a.csv" if way < 3 else "a.parquet")
        if way == 0:
            path.write_bytes(mutate.bytes_of(rng, self.csv.encode()))
        elif way == 1:
            path.write_bytes(mutate.lines_of(rng, self.csv).encode("utf-8", "surrogateescape"))
        elif way == 2:
            text = mutate.lines_of(rng, self.csv)
            path.write_bytes(text.encode(rng.choice(["utf-16", "utf-8-sig", "utf-32"]), "replace"))
        elif way == 3:
            path.write_bytes(mutate.bytes_of(rng, self.parquet))
        else:
            self._table(rng, path)
        other = rng.choice(["good.csv", "good.parquet", path.name])
        files = [path.name, other] if rng.random() < 0.5 else [other, path.name]
        more = rng.choice(
            [[], ["--slice", "domain"], ["--slice", "x"], ["--max-class-nfr", "0.5"], ["--json", "o.json"]]
        )
        return ["compare", *files, *more]

    def _table(self, rng, path):
        """Change types, values and names of columns, and the note in the schema."""
        columns = [(name, self.table[name].combine_chunks()) for name in self.table.column_names]
        for _ in range(rng.choice([1, 1, 2, 3])):
            at = rng.randrange(len(columns))
            name, column = columns[at]
            way = rng.randrange(5)
            if way == 0:
                columns[at] = (rng.choice(NAMES), column)
            elif way == 1:
                columns.append((rng.choice(NAMES), rng.choice(columns)[1]))
            elif way == 2:
                del columns[at]
                columns = columns or [(name, column)]
            elif way == 3:
                columns[at] = (name, self._column(rng, len(self.table)))
            else:
                cells = column.to_pylist()
                cells[rng.randrange(len(cells))] = None
                columns[at] = (name, pa.array(cells, column.type))
        notes = [
            b"{",
            b"[]",
            b"null",
            b"7",
            b"[" * 100_000,
            b'{"classes": 5}',
            b'{"classes": [1, 2, 3]}',
            b'{"classes": {}}',
            b'{"classes": ["a", "a", "b"]}',
            b'{"members": "x"}',
            b'{"classes": ["\\ud800", "b", "c"]}',
            b"\xff\xfe",
            json.dumps({"classes": ["a", "b", "c" * 10**5]}).encode(),
            b'{"classes": ["\\u001b[2J", "b", "c"]}',
        ]
        table = pa.Table.from_arrays([column for _, column in columns], names=[name for name, _ in columns])
        if rng.random() < 0.4:
            table = table.replace_schema_metadata({b"modelheir": rng.choice(notes)})
        try:
            pq.write_table(table, path)
        except (pa.ArrowException, ValueError):  # a type that Parquet does not have
            path.write_bytes(self.parquet)

    def _column(self, rng, count):
        kind = rng.choice(TYPES)
        while True:
            value = rng.choice(
                [None, 0, 1, -1, 3, 10**7, 10**12, 2**62, 1.5, float("nan"), "a", "é" * 3000, b"\xff", [0.5] * 3]
            )
            try:
                cells = [value if rng.random() < 0.3 else None for _ in range(count)]
                if rng.random() < 0.5 and not isinstance(value, list | float):
                    cells = [value] * count
                return pa.array(cells, kind)
            except (pa.ArrowException, ValueError, TypeError, OverflowError):
                if rng.random() < 0.3:
                    return pa.nulls(count, kind)
