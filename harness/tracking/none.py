"""No tracking: only the run's folder is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from harness.runs.journal import Journal


class Untracked:
    """Does nothing; the journal in the run's folder can still be sent later by `sync`."""

    tags: Mapping[str, str] = MappingProxyType({})

    def follow(self, folder: Path) -> None:
        return None

    def sample(self, journal: Journal, folder: Path, step: int) -> None:
        return None

    def link(self, folder: Path, timeout: float | None = None) -> None:
        return None

    def settle(self, folder: Path, timeout: float | None = None) -> None:
        return None
