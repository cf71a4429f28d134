"""What a sweep does while its database does not answer."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError, OperationalError, PendingRollbackError

from harness.core.errors import UserError
from harness.sweep.study import database_retry
from harness.sweep.study.database_retry import Patience, StorageLost, is_outage
from harness.sweep.study.storage_refusal import StorageDamaged, StorageUnreachable


def sqlite_error(code: int, text: str, kind: type[sqlite3.Error] = sqlite3.OperationalError) -> sqlite3.Error:
    error = kind(text)
    error.sqlite_errorcode = code
    return error


AWAY = sqlite_error(sqlite3.SQLITE_CANTOPEN, "unable to open database file")
NO_TABLE = sqlite_error(sqlite3.SQLITE_ERROR, "no such table: trials")
MALFORMED = sqlite_error(sqlite3.SQLITE_CORRUPT, "database disk image is malformed", sqlite3.DatabaseError)


def caused(error: Exception) -> Exception:
    outer = RuntimeError("storage")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (AWAY, True),
        (OperationalError("select", {}, AWAY), True),
        (caused(OperationalError("select", {}, AWAY)), True),
        (caused(sqlite_error(sqlite3.SQLITE_BUSY_SNAPSHOT, "database is locked")), True),
        (sqlite_error(sqlite3.SQLITE_IOERR_WRITE, "disk I/O error"), True),
        (OperationalError("select", {}, NO_TABLE), False),
        (caused(OperationalError("select", {}, NO_TABLE)), False),
        (MALFORMED, False),
        (StorageUnreachable("sweep.storage: no"), True),
        (IntegrityError("insert", {}, sqlite3.IntegrityError("unique")), False),
        (sqlite3.ProgrammingError("closed"), False),
        (UserError("sweep.storage must be …"), False),
        (RuntimeError("other"), False),
    ],
)
def test_only_an_unreachable_database_is_waited_for(error: Exception, outage: bool) -> None:
    assert is_outage(error) is outage


class Database:
    """Fails as often as `failures` says, then answers."""

    def __init__(self, failures: int, error: Exception = AWAY) -> None:
        self.failures, self.error, self.asked = failures, error, 0

    def __call__(self) -> str:
        self.asked += 1
        if self.asked <= self.failures:
            raise self.error
        return "answer"


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Patience, list[str]]]:
    monkeypatch.setattr(database_retry, "_PAUSE", 0.001)

    def make(minutes: float = 10, **given: Any) -> tuple[Patience, list[str]]:
        lines: list[str] = []
        return Patience(minutes, lines.append, "the store", **given), lines

    return make


def test_one_line_when_it_goes_and_one_when_it_is_back(patience: Any) -> None:
    recovered: list[int] = []
    waiting, lines = patience(recovered=lambda: recovered.append(1))
    assert waiting.wait(Database(0)) == "answer"
    assert lines == []
    assert waiting.wait(Database(3)) == "answer"
    assert [line.partition(";")[0] for line in lines] == [
        "the store does not answer",
        "the store answers again, after 0 s",
    ]
    assert recovered == [1]


def test_other_errors_are_not_waited_for(patience: Any) -> None:
    waiting, lines = patience()
    with pytest.raises(ValueError, match="other"):
        waiting.wait(Database(1, ValueError("other")))
    assert lines == []


@pytest.mark.parametrize("error", [NO_TABLE, caused(OperationalError("select", {}, NO_TABLE)), MALFORMED])
def test_a_damaged_file_is_refused_at_once(patience: Any, error: Exception) -> None:
    waiting, lines = patience()
    for ask in (waiting.wait, lambda database: waiting.attempt(database, "later")):
        database = Database(99, error)
        with pytest.raises(StorageDamaged, match=r"^the store cannot be used \((no such|database disk)"):
            ask(database)
        assert database.asked == 1
    assert lines == []


def test_the_error_of_a_deleted_table_is_damage(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "a.db")
    with pytest.raises(sqlite3.OperationalError) as missing:
        connection.execute("select * from trials")
    other = sqlite3.connect(tmp_path / "a.db", timeout=0)
    connection.execute("begin exclusive")
    with pytest.raises(sqlite3.OperationalError) as locked:
        other.execute("begin exclusive")
    assert [is_outage(missing.value), is_outage(locked.value)] == [False, True]


def test_the_second_query_after_a_lost_connection_is_an_outage(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/a.db")
    with engine.connect() as connection:
        connection.execute(text("select 1"))
        connection.invalidate()
        with pytest.raises(PendingRollbackError) as lost:
            connection.execute(text("select 1"))
    engine.dispose()
    assert is_outage(caused(lost.value))


def test_it_ends_after_its_minutes(patience: Any) -> None:
    waiting, _ = patience(0)
    with pytest.raises(
        StorageLost, match=r"^the store did not answer for 0 minutes \(sweep.patience\); the same"
    ):
        waiting.wait(Database(99))


def test_a_command_that_was_stopped_tries_once_more_only(patience: Any) -> None:
    waiting, _ = patience()
    waiting.give_up()
    assert waiting.wait(Database(0)) == "answer"
    away = Database(99)
    with pytest.raises(StorageLost):
        waiting.wait(away)
    assert away.asked == 1


def test_a_training_does_not_wait_and_does_not_try_at_each_epoch(
    patience: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, lines = patience()
    database = Database(2)
    assert [waiting.attempt(database, "later") for _ in range(5)] == ["later"] * 5
    assert database.asked == 1
    monkeypatch.setattr(database_retry, "_TRAINING_PAUSE", 0.0)
    waiting._next_try = 0.0
    assert waiting.attempt(database, "later") == "later"
    waiting._next_try = 0.0
    assert waiting.attempt(database, "later") == "answer"
    assert len(lines) == 2
