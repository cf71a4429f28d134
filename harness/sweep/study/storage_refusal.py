"""The error of a storage that cannot be reached."""

from __future__ import annotations

from harness.core.errors import UserError


class StorageUnreachable(UserError):
    """`sweep.storage` cannot be used: its server does not answer, or refuses the connection."""
