from __future__ import annotations

import time
from pathlib import Path

import pytest

from harness.runs.journal import Journal, read
from harness.runs.run_history import RunHistory


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path)


def test_an_empty_past_knows_nothing() -> None:
    past = RunHistory()
    assert (past.start, past.seconds, past.settings, past.ended(""), past.diverged) == (
        None,
        0.0,
        {},
        None,
        False,
    )
    assert not past.has("", 1, {"loss": 1.0})


def test_what_was_written_of_a_step_is_known_by_its_names(journal: Journal, tmp_path: Path) -> None:
    journal.start("", "a")
    journal.metrics("fold-1", 3, {"loss": 1.0, "lr": 0.1})
    past = RunHistory(read(tmp_path)[0])
    assert past.has("fold-1", 3, {"lr": 0.2, "loss": 2.0})
    assert not past.has("fold-1", 3, {"loss": 1.0})
    assert not past.has("fold-1", 4, {"lr": 0.2, "loss": 2.0})
    assert not past.has("", 3, {"lr": 0.2, "loss": 2.0})


def test_the_seconds_of_all_processes_add_up_without_the_pauses(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at(seconds: int) -> None:
        monkeypatch.setattr(time, "time_ns", lambda: seconds * 10**9)

    at(100)
    journal.start("", "a", params={"seed": 1})
    at(130)
    journal.metrics("", 1, {"loss": 1.0})
    at(1000)
    journal.start("", "a", params={"seed": 2})
    at(1005)
    journal.end("", "interrupted")
    past = RunHistory(read(tmp_path)[0])
    assert past.seconds == 35.0
    assert past.settings == {"seed": "2"}
    assert [event["params"]["seed"] for event in past.starts] == ["1", "2"]


def test_an_end_holds_until_the_run_starts_again(journal: Journal, tmp_path: Path) -> None:
    journal.start("", "a")
    journal.end("", "failed", "Diverged: the loss became nan")
    past = RunHistory(read(tmp_path)[0])
    assert (past.ended(""), past.diverged) == ("failed", True)
    journal.start("", "a")
    past = RunHistory(read(tmp_path)[0])
    assert (past.ended(""), past.diverged) == (None, False)


def test_scores_are_new_if_their_step_has_none_yet() -> None:
    point = {"event": "metrics", "time": 1, "run": "", "step": 0}
    past = RunHistory([{**point, "values": {"valid/loss": 1.0}}, {**point, "values": {"lr": 0.1}}])
    values = {"valid/loss": 1.0, "lr": 0.1, "test/loss": 2.0}
    assert past.fresh("", 0, values) == {"test/loss": 2.0}
    assert past.fresh("", 1, values) == values
    assert past.fresh("fold-0", 0, values) == values
