"""No tracking: only the run's folder is written."""

from __future__ import annotations

from pathlib import Path

from harness.runs.journal import Journal


class Untracked:
    """Does nothing; the journal in the run's folder can still be sent later by `sync`."""

    def follow(self, folder: Path) -> None:
        return None

    def sample(self, journal: Journal, folder: Path, step: int) -> None:
        return None

    def link(self, folder: Path, timeout: float | None = None) -> None:
        return None

    def settle(self, folder: Path, timeout: float | None = None) -> None:
        return None
