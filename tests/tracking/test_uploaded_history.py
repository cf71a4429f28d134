from __future__ import annotations

import math
from pathlib import Path

from harness.runs.journal import Event, Journal, read
from harness.tracking.uploaded_history import History


def read_history(folder: Path) -> tuple[History, list[list[tuple[str, float, int]]]]:
    """The history after all events, and the new points (name, value, step) of each metrics event."""
    history, points = History(), []
    for event in read(folder)[0]:
        if event["event"] == "metrics":
            points.append([(name, value, step) for name, value, _, step in history.points(event)])
        history.note(event)
    return history, points


def last(folder: Path) -> Event:
    return read(folder)[0][-1]


def test_a_run_is_open_from_its_start_to_its_end(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.start("", "study")
    journal.start("fold-0", "0", parent="")
    journal.start("fold-1", "1", parent="")
    journal.end("fold-0", "finished")
    history, _ = read_history(tmp_path)
    assert history.open == ["", "fold-1"]
    assert history.parents == {}, "a parent in the same journal is known"
    journal.end("", "failed")
    assert read_history(tmp_path)[0].open == [], "the end of the parent is the end of all"


def test_a_parent_elsewhere_is_remembered_by_its_folder(tmp_path: Path) -> None:
    Journal(tmp_path).start("", "trial", parent="..")
    assert read_history(tmp_path)[0].parents == {"": ".."}


def test_a_resumed_run_sends_no_point_twice(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.start("", "a")
    for step, loss in ((1, 0.9), (2, 0.8), (3, math.nan)):
        journal.metrics("", step, {"loss": loss})
    journal.start("", "a")
    for step, loss in ((2, 0.8), (3, math.nan), (4, 0.6)):
        journal.metrics("", step, {"loss": loss})
    journal.metrics("", 4, {"loss": 0.5, "test/accuracy": 0.9})
    _, points = read_history(tmp_path)
    assert points[3:] == [[], [], [("loss", 0.6, 4)], [("loss", 0.5, 4), ("test/accuracy", 0.9, 4)]]


def test_a_run_that_was_never_stopped_may_give_a_step_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.start("", "a")
    journal.metrics("", 3, {"valid/accuracy": 0.7})
    journal.metrics("", 1, {"valid/accuracy": 0.8})
    assert read_history(tmp_path)[1] == [[("valid/accuracy", 0.7, 3)], [("valid/accuracy", 0.8, 1)]]


def test_a_resumed_run_sends_only_new_parameters(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.start("", "a", params={"lr": 0.1})
    history, _ = read_history(tmp_path)
    journal.start("", "a", params={"lr": 0.2, "epochs": 9})
    assert history.params(last(tmp_path)) == {"epochs": "9"}
