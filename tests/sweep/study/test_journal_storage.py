"""The journal file keeps Optuna's promises, also in a crash, on a full disk and in a crowd."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.testing.pytest_storages import StorageTestCase

from harness.sweep.study.journal_storage import JournalFile, StudyJournal, together

DEADLINE = 30  # seconds after which a process counts as stuck


@pytest.fixture
def journal(tmp_path: Path) -> JournalFile:
    return JournalFile(tmp_path / "study.journal")


@pytest.fixture
def path(journal: JournalFile, tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
class TestConformance(StorageTestCase):
    """Optuna's own suite."""

    @pytest.fixture
    def storage(self, journal: JournalFile) -> BaseStorage:
        return StudyJournal(journal)


def in_a_process(code: str, *words: object) -> subprocess.Popen[str]:
    """Python code in a process of its own, with `sys.argv[1:]`; what it prints can be read."""
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def numbers(journal: JournalFile, start: int = 0) -> list[int]:
    return [log["n"] for log in journal.read_logs(start)]


def test_what_is_appended_is_read_from_any_number_on(journal: JournalFile) -> None:
    for n in range(5):
        journal.append_logs([{"n": n}])
    assert numbers(journal) == [0, 1, 2, 3, 4]
    assert numbers(journal, 3) == [3, 4]
    assert numbers(journal, 5) == []
    assert numbers(journal, 1) == [1, 2, 3, 4]


def test_an_interrupted_reading_continues_where_it_ended(journal: JournalFile) -> None:
    journal.append_logs([{"n": n} for n in range(4)])
    assert next(iter(journal.read_logs(0))) == {"n": 0}
    assert numbers(journal, 1) == [1, 2, 3]


def test_what_another_process_appends_is_read(journal: JournalFile, path: Path) -> None:
    journal.append_logs([{"n": 0}])
    assert numbers(journal) == [0]
    JournalFile(path).append_logs([{"n": 1}])
    assert numbers(journal, 1) == [1]


def test_a_copy_sent_to_another_process_reads_the_same(journal: JournalFile) -> None:
    journal.append_logs([{"n": 0}])
    assert numbers(pickle.loads(pickle.dumps(journal))) == [0]


def test_a_line_that_is_still_being_written_is_not_read(journal: JournalFile, path: Path) -> None:
    journal.append_logs([{"n": 0}])
    with path.open("ab") as file:
        file.write(b'{"n":1}')
    assert numbers(journal) == [0]
    with path.open("ab") as file:
        file.write(b"\n")
    assert numbers(journal, 1) == [1]


@pytest.mark.parametrize("torn", [b'{"n"', b"\0" * 3000, b"x" * 10_000], ids=["half", "zeros", "long"])
def test_a_torn_tail_is_cut_off_before_a_line_is_added(journal: JournalFile, path: Path, torn: bytes) -> None:
    journal.append_logs([{"n": 0}])
    with path.open("ab") as file:
        file.write(torn)
    journal.append_logs([{"n": 1}])
    assert path.read_bytes() == b'{"n":0}\n{"n":1}\n'
    assert numbers(journal) == [0, 1]


def test_a_file_that_holds_nothing_but_a_torn_line_begins_anew(journal: JournalFile, path: Path) -> None:
    path.write_bytes(b'{"n"')
    journal.append_logs([{"n": 7}])
    assert path.read_bytes() == b'{"n":7}\n'


def test_a_garbled_line_counts_for_nothing(journal: JournalFile, path: Path) -> None:
    path.write_bytes(b'{"n":0}\n\0\0\0"n"\n3\n{"n":1}\n')
    assert numbers(journal) == [0, 1]
    assert numbers(journal, 1) == [1]
    assert numbers(JournalFile(path), 1) == [1]


def test_what_was_read_is_not_read_again(journal: JournalFile, path: Path) -> None:
    lines = "".join(f'{{"n":{n}}}\n' for n in range(20_000)).encode()
    path.write_bytes(lines)
    assert numbers(journal) == list(range(20_000))
    with path.open("r+b") as file:
        file.write(b"#" * (len(lines) - 1))  # nobody who began at the front could read this
    JournalFile(path).append_logs([{"n": 20_000}])
    assert numbers(journal, 20_000) == [20_000]


def test_a_file_shorter_than_it_was_is_refused(journal: JournalFile, path: Path) -> None:
    journal.append_logs([{"n": 0}])
    assert numbers(journal) == [0]
    os.truncate(path, 3)
    with pytest.raises(OSError, match="is shorter than it was; was an older copy put in its place"):
        numbers(journal, 1)


def test_a_file_that_was_removed_is_not_begun_anew(journal: JournalFile, path: Path) -> None:
    journal.append_logs([{"n": 0}])
    path.unlink()
    with pytest.raises(FileNotFoundError, match="was removed while it was in use"):
        journal.append_logs([{"n": 1}])
    assert not path.exists()


def test_only_an_end_or_a_beginning_waits_for_the_disk(
    journal: JournalFile, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(len(path.read_bytes().splitlines())))
    study = optuna.create_study(storage=StudyJournal(journal))
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    trial.report(0.5, 1)
    trial.set_user_attr("worker", "one")
    assert synced == []
    study.tell(trial, 0.5)
    assert synced == [len(path.read_bytes().splitlines())]


FULL = """
import json, resource, sys
from pathlib import Path
from harness.sweep.study.journal_storage import JournalFile, StudyJournal, together
path = Path(sys.argv[1])
journal = JournalFile(path)
journal.append_logs([{"n": 0}])
size = path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 4, resource.RLIM_INFINITY))
try:
    journal.append_logs([{"n": 1}])
except OSError as error:
    print(error.errno, path.stat().st_size == size)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.append_logs([{"n": 2}])
print(*(log["n"] for log in journal.read_logs(0)))
"""


@pytest.mark.slow
def test_a_line_that_does_not_fit_on_the_disk_leaves_nothing_of_itself(tmp_path: Path) -> None:
    child = in_a_process(FULL, tmp_path / "study.journal")
    out, _ = child.communicate(timeout=DEADLINE)
    assert child.returncode == 0
    assert out.splitlines() == ["27 True", "0 2"]  # 27 is EFBIG: four bytes had been written


def test_an_interruption_within_a_write_leaves_no_half_line(
    journal: JournalFile, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append_logs([{"n": 0}])
    whole = os.pwrite

    def half(file: int, data: Any, offset: int) -> int:
        whole(file, bytes(data)[:4], offset)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "pwrite", half)
    with pytest.raises(KeyboardInterrupt):
        journal.append_logs([{"n": 1}])
    assert path.read_bytes() == b'{"n":0}\n'


def test_a_line_written_in_pieces_is_whole(
    journal: JournalFile, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, offset: whole(file, bytes(data)[:3], offset))
    journal.append_logs([{"n": 0}, {"n": 1}])
    assert path.read_bytes() == b'{"n":0}\n{"n":1}\n'


HOLDER = """
import sys, time
from pathlib import Path
from harness.sweep.study.file_lock import FileLock
with FileLock(Path(sys.argv[1]))():
    print("held", flush=True)
    time.sleep(600)
"""


APPENDER = """
import sys
import threading
from pathlib import Path
from harness.sweep.study.journal_storage import JournalFile, StudyJournal, together
JournalFile(Path(sys.argv[1])).append_logs([{"n": 1}])
"""


@pytest.mark.slow
def test_a_killed_holder_of_the_lock_does_not_block_others(journal: JournalFile, path: Path) -> None:
    with in_a_process(HOLDER, path) as holder, in_a_process(APPENDER, path) as waiting:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(1.5)  # it waits for the holder
        holder.kill()
        assert waiting.wait(DEADLINE) == 0
    assert numbers(journal) == [1]


def append_fifty(path: Path, who: int) -> None:
    journal = JournalFile(path)
    for n in range(50):
        journal.append_logs([{"n": n, "who": who, "pad": "x" * 500}])


@pytest.mark.slow
def test_four_processes_lose_nothing(journal: JournalFile, path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=append_fifty, args=(path, who)) for who in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(DEADLINE)
        assert writer.exitcode == 0
    logs = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert len(logs) == 200
    for who in range(4):
        assert [log["n"] for log in logs if log["who"] == who] == list(range(50))


def test_what_a_thread_stores_together_is_added_as_one_behind_what_others_add(
    journal: JournalFile, path: Path
) -> None:
    journal.append_logs([{"n": 0}])
    with journal.together():
        assert numbers(journal) == [0]
        journal.append_logs([{"n": 2}])
        JournalFile(path).append_logs([{"n": 1}])
        journal.append_logs([{"n": 3}])
        assert numbers(journal, 1) == []
        assert numbers(JournalFile(path)) == [0, 1]
    assert numbers(journal, 1) == [1, 2, 3]
    journal.append_logs([{"n": 4}])
    assert numbers(JournalFile(path)) == [0, 1, 2, 3, 4]


def test_other_threads_add_and_read_as_ever_meanwhile(journal: JournalFile) -> None:
    found: list[list[int]] = []

    def add() -> None:
        journal.append_logs([{"n": 1}])
        found.append(numbers(journal))

    with journal.together():
        journal.append_logs([{"n": 2}])
        thread = threading.Thread(target=add)
        thread.start()
        thread.join(DEADLINE)
    assert found == [[1]]
    assert numbers(journal) == [1, 2]


def test_nothing_is_added_of_what_an_error_ends(journal: JournalFile) -> None:
    def fail() -> None:
        with journal.together():
            journal.append_logs([{"n": 0}])
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    journal.append_logs([{"n": 1}])
    assert numbers(journal) == [1]


def test_a_storage_that_is_no_journal_stores_each_thing_at_once() -> None:
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage)
    trial = study.ask()
    with together(storage):
        trial.report(0.5, 1)
        assert study.trials[0].intermediate_values == {1: 0.5}
