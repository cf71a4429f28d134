"""Retries while a database is unreachable for a moment, so that no trial and no sweep is lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

AWAY = 120.0
"""Seconds for which a database may be away while trials run."""


def retry_database(ask: Callable[[], T]) -> T:
    """Repeats a call of the study once per second while its database cannot be reached.

    Raises:
        Exception: what `ask` raises for another reason, or after two minutes.
    """
    until = time.monotonic() + AWAY
    while True:
        try:
            return ask()
        except Exception as error:
            if not _of_a_database(error) or time.monotonic() > until:
                raise
            time.sleep(1.0)


def _of_a_database(error: BaseException | None) -> bool:
    while error is not None:
        if type(error).__module__.partition(".")[0] in ("sqlalchemy", "psycopg", "sqlite3"):
            return True
        error = error.__cause__
    return False
