"""Errors of a storage that cannot be used."""

from __future__ import annotations

from harness.core.errors import UserError


class StorageUnreachable(UserError):
    """`sweep.storage` cannot be used: its server does not answer, or refuses the connection."""


class StorageDamaged(UserError):
    """The database of a sweep answers, but it is no longer what Optuna wrote: waiting would change nothing.

    Args:
        label: names the database.
        reason: what the database objects to.
    """

    def __init__(self, label: str, reason: str) -> None:
        super().__init__(
            f"{label} cannot be used ({reason.rstrip('.')})",
            "restore it from a copy, or start a new sweep with another sweep.storage",
            key="sweep.storage",
        )
