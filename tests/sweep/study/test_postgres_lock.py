"""The lock in the server outlives neither its connection nor anybody's patience with one."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import UserError
from harness.sweep.study.postgres_lock import PostgresLock, key_of
from harness.sweep.study.study_lock import study_lock


def test_a_name_is_the_same_number_everywhere() -> None:
    assert key_of("harness study a-1") == -6672307025261881803
    assert key_of("harness study a-2") != key_of("harness study a-1")
    assert all(-(2**63) <= key_of(str(n)) < 2**63 for n in range(100))


@pytest.fixture
def server_lock(postgres: Any, tmp_path: Path) -> PostgresLock:
    lock = study_lock(postgres.url, tmp_path, "a-1")
    assert isinstance(lock, PostgresLock)
    return lock


def end_sessions(postgres: Any) -> None:
    """As a restart of the server, or a firewall, would."""
    postgres.run(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()"
    )


def test_a_connection_lost_between_two_uses_is_opened_again(postgres: Any, server_lock: PostgresLock) -> None:
    with server_lock():
        pass
    end_sessions(postgres)
    with server_lock():
        pass


def test_a_connection_lost_while_it_holds_the_lock_is_an_error(
    postgres: Any, server_lock: PostgresLock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), server_lock():
        end_sessions(postgres)
    assert "was lost while it held a study's lock" in caplog.text
    with server_lock():
        pass


def test_the_connection_is_kept_for_the_next_use(server_lock: PostgresLock) -> None:
    pids = []
    for _ in range(2):
        with server_lock():
            pids.append(server_lock._connection.info.backend_pid)
    assert pids[0] == pids[1]


def test_a_pool_that_mixes_sessions_is_refused(server_lock: PostgresLock) -> None:
    with (
        pytest.raises(UserError, match="does not keep a session's locks; name the server itself"),
        server_lock(),
    ):
        server_lock._connection.execute("select pg_advisory_unlock_all()")  # as if another session had it
