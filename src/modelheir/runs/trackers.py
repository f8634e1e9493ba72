"""Where a run's numbers go: always ``metrics.jsonl`` and ``metrics.csv`` in its folder, and services on request.

The JSON lines are the record; the CSV is the same table for spreadsheets and is made again from them whenever a column
appears or rows are dropped. A line is appended in one write; a torn last line (a killed process) is dropped on resume.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from modelheir.checks import unknown
from modelheir.runs.files import append_line, to_json, write_text
from modelheir.runs.folder import RunFolder
from modelheir.runs.services import SERVICES, Service

__all__ = ["Trackers", "read_metrics"]


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a ``metrics.jsonl``; lines that are not whole are left out.

    Args:
        path: The file; a missing one has no rows.
    """
    if not path.is_file():
        return []
    rows: list[dict[str, Any]] = []
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows


class Trackers:
    """A log (``types.Log``) that writes to the run folder and to any number of services.

    Args:
        names: Services besides the files: ``tensorboard``, ``wandb``, ``mlflow``.
        folder: The run folder; ``None`` writes nothing (processes other than the first).
        about: What the services should know of the run: settings, versions, seeds.

    Raises:
        InputError: If a service is unknown, its package is missing, or it refuses to start.
    """

    def __init__(
        self, names: Sequence[str] = (), folder: Path | str | None = None, about: Mapping[str, Any] | None = None
    ) -> None:
        for name in names:
            if name not in SERVICES:
                raise unknown("tracker", name, SERVICES)
        self.run = RunFolder(folder) if folder is not None else None
        self.columns: list[str] = []
        self.services: list[Service] = []
        if self.run is None:
            return
        self.run.path.mkdir(parents=True, exist_ok=True)
        self._repair()
        try:
            for name in dict.fromkeys(names):
                self.services.append(SERVICES[name](self.run.path, dict(about or {})))
        except BaseException:
            self.close(failed=True)
            raise

    @property
    def table(self) -> Path:
        """The comma-separated copy."""
        assert self.run is not None
        return self.run.metrics.with_suffix(".csv")

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one row; columns that no earlier row had are welcome. Values that are not finite become null."""
        if self.run is None:
            return
        plain = to_json(row)
        append_line(self.run.metrics, json.dumps(plain, ensure_ascii=False, allow_nan=False))
        if set(plain) <= set(self.columns):
            append_line(self.table, _line([plain.get(name) for name in self.columns]))
        else:
            self._rewrite_table(read_metrics(self.run.metrics))
        for service in self.services:
            service.write(plain)

    def rewind(self, stage: str, epoch: int) -> None:
        """Drop the rows of ``stage`` from ``epoch`` on: they are about to be written again."""
        if self.run is None:
            return
        rows = read_metrics(self.run.metrics)
        gone = [row for row in rows if row.get("stage") == stage and _number(row.get("epoch")) >= epoch]
        if gone:
            self._replace([row for row in rows if row not in gone])
        steps = [_number(row.get("step")) for row in gone if "step" in row]
        for service in self.services:
            service.rewind(stage, int(min(steps)) if steps else None)

    def _repair(self) -> None:
        """Make both files whole again after a kill."""
        assert self.run is not None
        if not self.run.metrics.is_file():
            return
        rows, text = read_metrics(self.run.metrics), self.run.metrics.read_text(encoding="utf-8", errors="replace")
        if len(rows) != text.count("\n") or not text.endswith("\n"):
            self._replace(rows)
        else:
            self._rewrite_table(rows)

    def _replace(self, rows: list[dict[str, Any]]) -> None:
        assert self.run is not None
        write_text(self.run.metrics, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        self._rewrite_table(rows)

    def _rewrite_table(self, rows: list[dict[str, Any]]) -> None:
        self.columns = list(dict.fromkeys(key for row in rows for key in row))
        lines = [self.columns, *([row.get(name) for name in self.columns] for row in rows)]
        write_text(self.table, "".join(_line(line) + "\n" for line in lines) if rows else "")

    def close(self, *, failed: bool = False) -> None:
        """End every service; ``failed`` tells those that keep a state."""
        for service in self.services:
            service.close(failed=failed)
        self.services = []

    def __enter__(self) -> Trackers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(failed=kind is not None)


def _line(values: Sequence[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(["" if value is None else value for value in values])
    return text.getvalue()


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else -1.0
