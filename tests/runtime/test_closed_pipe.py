"""Output that cannot be written ends a command in one sentence."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from harness.console.screen import Screen
from harness.runtime import closed_pipe


def _into(path: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedWriter(io.FileIO(path, "w")), encoding="utf-8")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_behind_the_output_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closed_pipe, "_lost", [])
    stream = _into("/dev/full")
    monkeypatch.setattr(sys, "stdout", stream)
    closed_pipe.tolerate_closed_pipes()
    print("a line")
    assert closed_pipe.lost_output() == "the output could not be written (No space left on device)."
    print("what follows is discarded")
    sys.stdout.flush()
    stream.close()


def test_output_that_was_written_is_not_lost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(closed_pipe, "_lost", [])
    stream = _into(str(tmp_path / "out"))
    monkeypatch.setattr(sys, "stdout", stream)
    closed_pipe.tolerate_closed_pipes()
    print("a line")
    assert closed_pipe.lost_output() is None
    stream.close()
    assert (tmp_path / "out").read_text() == "a line\n"


def test_a_stream_that_was_closed_at_the_start_is_opened_on_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    Screen().note("nobody reads this")
    monkeypatch.setattr(sys, "stderr", None)
    closed_pipe.tolerate_closed_pipes()
    print("nor this", file=sys.stderr)
    assert isinstance(sys.stdout, io.TextIOWrapper)
