"""A database is opened by several at once, or refused within seconds, and its password never shown."""

from __future__ import annotations

import socket
import sqlite3
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import UserError
from harness.sweep.study.database_storage import open_database
from harness.sweep.study.snapshot import Objective
from harness.sweep.study.study_storage import load_or_create, open_storage, studies

DEADLINE = 60  # seconds after which a thread counts as stuck


def test_threads_that_make_a_database_at_one_moment_share_it(tmp_path: Path) -> None:
    found: list[list[str]] = []

    def work() -> None:
        storage = open_storage(f"sqlite:///{tmp_path}/studies.db", tmp_path)
        load_or_create(storage, "a-1", [Objective("valid/accuracy", "maximize")])
        found.append(studies(storage))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert found == [["a-1"]] * 4


def test_sqlite_writes_ahead_so_that_readers_need_not_wait(tmp_path: Path) -> None:
    open_database(f"sqlite:///{tmp_path}/studies.db")
    with closing(sqlite3.connect(tmp_path / "studies.db")) as connection:
        assert connection.execute("pragma journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (
            "sqlite:///{folder}/nowhere/studies.db",
            r"No such file or directory\); correct the address or what",
        ),
        ("sqlite:///{folder}/notes.txt", r"file is not a database\); correct the address"),
        ("postgresql://me@127.0.0.1:{port}/x", "onnection refused"),
        ("postgresql://me@127.0.0.1/x?colour=red", r'invalid .*"colour"'),
    ],
)
def test_an_address_that_leads_to_no_database_is_refused(tmp_path: Path, url: str, reason: str) -> None:
    (tmp_path / "notes.txt").write_text("not a database" * 100)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # a port at which nobody listens
        with pytest.raises(UserError, match=rf"cannot be used \(.*{reason}"):
            open_database(url.format(folder=tmp_path, port=probe.getsockname()[1]))


def test_a_database_that_is_not_there_is_refused(postgres: Any) -> None:
    with pytest.raises(UserError, match=r'cannot be used .*database "nowhere" does not exist'):
        open_database(postgres.url_of(database="nowhere"))


def test_a_database_of_another_optuna_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    open_database(url)
    with closing(sqlite3.connect(tmp_path / "studies.db")) as connection, connection:
        connection.execute("update alembic_version set version_num = 'v99.0.0.a'")
    with pytest.raises(
        UserError, match=r"cannot be used \(The runtime optuna version .* no longer compatible"
    ):
        open_database(url)


def test_a_wrong_password_is_refused_and_not_shown(postgres: Any) -> None:
    with pytest.raises(UserError, match=r"cannot be used .*password authentication failed") as refusal:
        open_database(postgres.url_of(password="s3cret!"))
    assert "s3cret" not in str(refusal.value)
    assert refusal.value.__cause__ is None  # whose text would be shown with a traceback
    assert refusal.value.__suppress_context__


def test_a_server_that_does_not_answer_is_given_up() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/x?connect_timeout=2"
        began = time.monotonic()
        with pytest.raises(UserError, match=r"cannot be used .*timeout"):
            open_database(url)
        assert time.monotonic() - began < DEADLINE


def test_without_the_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(
        UserError, match=r"needs a driver for PostgreSQL, .*pip install 'harness\[postgres\]'"
    ):
        open_database("postgresql://me@127.0.0.1/x")


def test_a_password_with_braces_and_percents_reaches_the_server(postgres: Any) -> None:
    postgres.run("drop schema public cascade", "create schema public", "drop role if exists odd")
    postgres.run("create role odd login superuser password '{a}%7Bb'")
    storage = open_database(postgres.url_of(user="odd", password="{a}%7Bb"))
    assert studies(storage) == []
