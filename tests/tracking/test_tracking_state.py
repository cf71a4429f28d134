from __future__ import annotations

from pathlib import Path

from harness.runs.journal import Journal, read
from harness.runs.tracking_state import State


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    state = State("http://h", "digits", runs={"": "1"}, offset=7, closed=True, refused=["a"])
    state.save(tmp_path)
    assert State.load(tmp_path) == state
    assert [path.name for path in tmp_path.iterdir()] == ["tracking.json"]


def test_refusals_are_one_phrase() -> None:
    assert State("u", "e").refusals == "nothing"
    assert State("u", "e", refused=["a plot"]).refusals == "a plot"
    assert State("u", "e", refused=["a plot", "b", "c"]).refusals == "a plot and 2 more"


def test_a_folder_without_the_file_is_not_tracked(tmp_path: Path) -> None:
    assert State.load(tmp_path) is None
    (tmp_path / "tracking.json").write_text("")
    assert State.load(tmp_path) is None, "a power cut may leave an empty file"


def test_a_run_is_sent_when_it_is_closed_and_the_journal_holds_no_more(tmp_path: Path) -> None:
    assert not State("u", "e", closed=True).sent(tmp_path), "there is no journal"
    journal = Journal(tmp_path)
    journal.end("", "finished")
    _, size = read(tmp_path)
    assert not State("u", "e", offset=size).sent(tmp_path)
    assert State("u", "e", offset=size, closed=True).sent(tmp_path)
    journal.tags("", {"late": 1})
    assert not State("u", "e", offset=size, closed=True).sent(tmp_path)
