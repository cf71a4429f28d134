"""A disk without space: one sentence, and a resumed run makes what is missing."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from harness.config.compose import compose
from harness.config.error_messages import explain
from harness.core.disk_full import disk_full, full_place
from harness.record import plots
from harness.run import run

FULL = OSError(errno.ENOSPC, "No space left on device", "/data/a.csv")


def raised_during(first: Exception, then: Exception) -> Exception:
    then.__context__ = first
    return then


@pytest.mark.parametrize(
    ("error", "full", "place"),
    [
        (FULL, True, "/data/a.csv"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True, None),
        (raised_during(FULL, RuntimeError("while closing")), True, "/data/a.csv"),
        (OSError(errno.EACCES, "Permission denied", "/data/a.csv"), False, None),
        (RuntimeError("(os error 28)"), False, None),
    ],
)
def test_a_full_disk_is_recognised(error: Exception, full: bool, place: str | None) -> None:
    assert (disk_full(error), full_place(error)) == (full, place)


def test_it_is_one_sentence_without_a_stack() -> None:
    status, message, stack = explain(FULL, [])
    assert (status, stack) == (1, False)
    assert message.startswith(
        "error: the disk has no space, no free inodes or no quota left for /data/a.csv;"
    )


def test_a_picture_is_no_note_if_the_disk_is_full() -> None:
    notes: list[str] = []
    with plots.optional("curves.svg", notes.append):
        raise ValueError("no glyph")
    assert len(notes) == 1
    with pytest.raises(OSError, match="No space"), plots.optional("curves.svg", notes.append):
        raise FULL
    assert len(notes) == 1


@pytest.mark.slow
def test_a_resumed_run_makes_the_records_that_a_full_disk_did_not_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["data/extract=iris", "trainer.epochs=2", "trainer.device=cpu", "tracking=none"]
    folder = tmp_path / "run"

    def no_room(*given: Any) -> None:
        raise FULL

    with monkeypatch.context() as patch:
        patch.setattr(plots, "predicted", no_room)
        with pytest.raises(OSError, match="No space"):
            run(compose(words), folder)
    assert json.loads((folder / "result.json").read_text())["status"] == "failed"
    assert not (folder / "confusion.svg").exists()
    result = run(compose([*words, f"resume={folder}"]), folder)
    assert result.status == "finished"
    assert {"confusion.svg", "report.html", "curves.svg"} <= {path.name for path in folder.iterdir()}
