"""Source: what every extractor of ours shares, its name and the roles of its columns."""

from __future__ import annotations

from typing import Literal

from harness.core.table import Aim, Kind
from harness.data.extract.column_roles import Roles


class Source:
    """Holds the arguments that every source takes; an extractor adds its own and is called for the rows.

    Args:
        name: what the data set is called; None: what the source suggests, such as a file's name.
        kind, shape, target, group, id, time, features, keep, drop, task, infinite: see `Roles`.
    """

    def __init__(
        self,
        *,
        name: str | None,
        kind: Kind,
        shape: list[int] | None,
        target: str | list[str] | None,
        group: str | None,
        id: str | None,
        time: str | None,
        features: list[str] | None,
        keep: list[str],
        drop: list[str],
        task: Aim,
        infinite: Literal["error", "missing"],
    ) -> None:
        self.name = name
        self.roles = Roles(target, group, id, time, features, keep, drop, task, kind, shape, infinite)

    def fingerprint(self) -> str | None:
        """What changes whenever the rows do; None: only reading them anew can tell."""
        return None
