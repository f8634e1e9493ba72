"""Progress says where a run stands, costs little and is silent when asked."""

import io
import os
import re
import time
from pathlib import Path

import pytest

from modelheir.engine.progress import BarProgress, LineProgress, SilentProgress, clock, make_progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_lines_tell_step_rate_and_time_left(monkeypatch):
    now = iter(float(second) for second in range(0, 100_000))
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    out = io.StringIO()
    lines = LineProgress(out, every=0.0)
    lines.stage("student", 10, done=4)
    lines.advance(32)
    first, second = out.getvalue().splitlines()
    assert first == "student: 10 steps, going on after step 4"
    assert second.startswith("student: step 5/10 (50%), ")
    assert "images/s" in second
    assert second.endswith(" left")


def test_time_left_is_the_pace_so_far(monkeypatch):
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    lines = LineProgress(io.StringIO())
    lines.stage("a", 10, done=2)
    lines.number, lines.images = 6, 400
    monkeypatch.setattr(time, "monotonic", lambda: 8.0)
    assert lines.left == 8.0
    assert lines.rate == 50.0


@pytest.mark.parametrize("kind", [io.StringIO, Terminal])
def test_the_last_epoch_stands_beside_the_time_left(kind, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    out = kind()
    with make_progress(stream=out) as progress:
        progress.every = 0.0
        progress.stage("a", 8)
        progress.advance(4)
        assert "loss" not in out.getvalue()
        progress.epoch({"loss": 1.23456, "val/accuracy": 0.875, "lr": 0.1})
        progress.advance(4)
        assert re.search(r" left,? +loss 1.235, val accuracy 87.5%", out.getvalue())
        progress.epoch({"loss": 0.5})  # not every epoch is evaluated
        progress.advance(4)
        assert re.search(r" left,? +loss 0.5, val accuracy 87.5%", out.getvalue())
        before = len(out.getvalue())
        progress.stage("b", 2)
        progress.advance(4)
        last = out.getvalue()[before:].split("b")[-1]
        assert "loss" not in last
    assert out.getvalue().count("loss 0.5") >= 2  # and where the stage ended


def test_a_line_only_every_few_seconds():
    out = io.StringIO()
    lines = LineProgress(out, every=60.0)
    lines.stage("a", 1000)
    for _ in range(1000):
        lines.advance(1)
    assert out.getvalue().splitlines() == ["a: 1,000 steps"]
    lines.close()
    lines.close()
    assert len(out.getvalue().splitlines()) == 2


def test_quiet_says_nothing():
    out = Terminal()
    with make_progress(quiet=True, stream=out) as progress:
        progress.stage("a", 2)
        progress.advance(1)
        progress.note("hello")
    assert isinstance(progress, SilentProgress)
    assert out.getvalue() == ""


def test_the_kind_follows_the_stream():
    with make_progress(stream=io.StringIO()) as progress:
        assert isinstance(progress, LineProgress)
    with make_progress(stream=Terminal()) as progress:
        assert isinstance(progress, BarProgress)


def test_bars_show_stage_and_notes():
    out = Terminal()
    with make_progress(stream=out) as progress:
        progress.stage("member [1]", 3)
        for _ in range(3):
            progress.advance(8)
        progress.note("kept [best]")
        progress.stage("unknown length", 0)
        progress.advance(8)
    assert "member [1]" in out.getvalue()
    assert "3/3" in out.getvalue()
    assert "kept [best]" in out.getvalue()


def test_bars_give_the_terminal_back_on_an_error():
    seen = []

    def interrupted():
        with make_progress(stream=Terminal()) as progress:
            seen.append(progress)
            progress.stage("a", 3)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        interrupted()
    assert not seen[0].bars.live.is_started


def test_a_step_costs_microseconds():
    lines = LineProgress(io.StringIO())
    lines.stage("a", 10_000)
    began = time.perf_counter()
    for _ in range(10_000):
        lines.advance(128)
    assert (time.perf_counter() - began) / 10_000 < 20e-6


def test_a_closed_pipe_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream, make_progress(stream=stream) as progress:
        progress.note("nobody reads this")
        progress.stage("a", 2)
        progress.advance(1)
        assert os.fstat(stream.fileno()).st_rdev == Path(os.devnull).stat().st_rdev


def test_clock():
    assert [clock(s) for s in (0, 59.6, 3600)] == ["0:00", "1:00", "1:00:00"]
