from __future__ import annotations

import json
import math
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harness.runs import journal as journal_module
from harness.runs.journal import Journal, alive, read, writer


def test_events_come_back_as_they_were_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    inputs = [{"name": "digits", "digest": "ab", "source": "bundled", "context": "train", "rows": 9}]
    journal.start("", "study", params={"lr": 0.1}, tags={"seed": 3}, inputs=inputs)
    journal.start("fold-0", "fold 0", parent="")
    journal.metrics("fold-0", 1, {"train/loss": 0.5})
    journal.tags("", {"best": "fold-0"})
    journal.artifact("fold-0", Path("fold-0/confusion.png"), under="plots")
    journal.model("fold-0", "fold-0/bundle")
    journal.end("fold-0", "finished")
    journal.end("", "failed", error="out of memory")
    journal.close()
    events, _ = read(tmp_path)
    first, child, metrics, tags, artifact, model, child_end, end = events
    assert (first["run"], first["name"], first["parent"]) == ("", "study", None)
    assert (first["params"], first["tags"], first["inputs"]) == ({"lr": "0.1"}, {"seed": "3"}, inputs)
    assert first["writer"]["pid"] == os.getpid()
    assert (child["run"], child["parent"]) == ("fold-0", "")
    assert (metrics["step"], metrics["values"]) == (1, {"train/loss": 0.5})
    assert tags["tags"] == {"best": "fold-0"}
    assert (artifact["path"], artifact["under"]) == ("fold-0/confusion.png", "plots")
    assert model["path"] == "fold-0/bundle"
    assert (child_end["status"], child_end["error"]) == ("finished", None)
    assert (end["status"], end["error"]) == ("failed", "out of memory")
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)


def test_what_is_not_finite_is_strict_json_and_read_back_by_float(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.metrics("", 0, {"a": math.nan, "b": math.inf, "c": -math.inf, "d": 1})

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    line = (tmp_path / "journal.jsonl").read_text()
    values = json.loads(line, parse_constant=refuse)["values"]
    assert math.isnan(float(values["a"]))
    assert [float(values[name]) for name in "bcd"] == [math.inf, -math.inf, 1.0]


def test_a_line_that_is_still_being_written_is_left_for_the_next_call(tmp_path: Path) -> None:
    Journal(tmp_path).metrics("", 1, {"loss": 1.0})
    path = tmp_path / "journal.jsonl"
    line = path.read_bytes()
    path.write_bytes(line + line[:20])
    events, offset = read(tmp_path)
    assert (len(events), offset) == (1, len(line))
    path.write_bytes(line + line)
    events, offset = read(tmp_path, offset)
    assert (len(events), offset) == (1, 2 * len(line))
    assert read(tmp_path, offset) == ([], offset)


def test_a_torn_line_costs_itself_and_nothing_after_it(tmp_path: Path) -> None:
    Journal(tmp_path).metrics("", 1, {"loss": 1.0})
    path = tmp_path / "journal.jsonl"
    path.write_bytes(path.read_bytes() + b'{"event":"metr')
    Journal(tmp_path).metrics("", 2, {"loss": 0.5})
    assert [event["step"] for event in read(tmp_path)[0]] == [1, 2]


def test_a_full_disk_is_reported_and_the_next_event_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)
    write = os.write
    monkeypatch.setattr(journal_module.os, "write", lambda file, line: write(file, line[:9]))
    with pytest.raises(OSError, match=r"only part of a line fitted into journal.jsonl; is the disk full\?"):
        journal.metrics("", 1, {"loss": 1.0})
    monkeypatch.undo()
    journal.metrics("", 2, {"loss": 0.5})
    assert [event["step"] for event in read(tmp_path)[0]] == [2]


def test_reading_stops_at_the_limit(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.metrics("", 1, {"loss": 1.0})
    _, middle = read(tmp_path)
    journal.metrics("", 2, {"loss": 0.5})
    assert [event["step"] for event in read(tmp_path, until=middle)[0]] == [1]


def test_without_a_journal_there_are_no_events(tmp_path: Path) -> None:
    assert read(tmp_path) == ([], 0)


def test_an_unknown_status_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="status must be one of finished, pruned, failed, interrupted, got"):
        Journal(tmp_path).end("", "done")  # type: ignore[arg-type]


def test_closing_twice_is_closing_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.metrics("", 1, {"train/loss": 0.5})
    journal.close()
    journal.close()
    assert [event["values"] for event in read(tmp_path)[0]] == [{"train/loss": 0.5}]


@pytest.mark.slow
def test_a_writer_lives_until_it_is_killed() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    who = {**writer(), "pid": child.pid, "born": journal_module._born(child.pid)}
    assert alive(who) is True
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert alive(who) is False, "a zombie is dead"
    child.communicate()
    assert alive(who) is False


def test_a_later_process_with_the_same_id_is_not_the_writer() -> None:
    assert alive(writer()) is True
    assert alive({**writer(), "born": 1}) is False


def test_without_proc_the_process_id_must_do() -> None:
    assert alive({**writer(), "born": None}) is True
    assert alive({**writer(), "born": None, "pid": 2**22 + 1}) is False


def test_of_another_host_nothing_is_known() -> None:
    assert alive({**writer(), "host": f"not-{socket.gethostname()}"}) is None


def test_a_journal_is_claimed_by_one_until_it_is_closed(tmp_path: Path) -> None:
    first, second = Journal(tmp_path), Journal(tmp_path)
    assert first.claim()
    assert not second.claim()
    first.close()
    assert second.claim()


@pytest.mark.slow
def test_a_forked_child_does_not_hold_the_claim_of_its_parent(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.claim()
    reading, writing = os.pipe()
    begun, begin = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.write(begin, b".")
        os.read(reading, 1)  # until the parent is done
        os._exit(0)
    assert os.read(begun, 1)
    journal.close()
    assert Journal(tmp_path).claim()
    for end in (writing, reading, begun, begin):
        os.close(end)
    os.waitpid(child, 0)
