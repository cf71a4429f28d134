"""Studies in SQLite or PostgreSQL, where several sweeps and several machines find them."""

from __future__ import annotations

import sqlite3
import weakref
from contextlib import closing
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage, RDBStorage, get_storage
from sqlalchemy.exc import SQLAlchemyError

from harness.sweep.study.file_lock import FileLock
from harness.sweep.study.postgres_lock import PostgresLock
from harness.sweep.study.storage_address import Address, read_address


def open_database(url: str) -> BaseStorage:
    """Optuna's storage in a database, whose tables are made where they are not there yet.

    Raises:
        UserError: the address is none, or what it leads to cannot be reached, opened or written.
    """
    address = read_address(url)
    try:
        storage = _postgres(address) if address.file is None else _sqlite(address, address.file)
    except (OSError, sqlite3.Error, SQLAlchemyError, RuntimeError) as error:
        raise address.refusal(error) from None  # a RuntimeError: tables of another Optuna
    return get_storage(storage)  # which remembers the trials that ended


def _sqlite(address: Address, file: Path) -> RDBStorage:
    """Made under a lock, because two processes that make one database together spoil it.

    With a log that is written ahead (WAL) readers do not wait for a writer.
    """
    with FileLock(file.with_name(f"{file.name}.lock"))():
        with closing(sqlite3.connect(file, timeout=60)) as connection:
            connection.execute("pragma journal_mode=wal")
        return _database(address)


def _postgres(address: Address) -> RDBStorage:
    with PostgresLock(address, "harness schema")():
        return _database(address, pool_pre_ping=True)  # a connection may be lost while a training lasts


def _database(address: Address, **engine: Any) -> RDBStorage:
    # Optuna fills in a template: braces in a password must be doubled.
    url = address.text.replace("{", "{{").replace("}", "}}")
    storage = RDBStorage(url, engine_kwargs={"connect_args": address.patience, **engine})
    # Its connections end with it; a forked child, in which hooks at exit run too, has none of its own to end.
    weakref.finalize(storage, storage.engine.dispose).atexit = False
    return storage
