"""Source: the arguments that all extractors share, its name and the column roles."""

from __future__ import annotations

from typing import Literal

from harness.core.table import Aim, ClassName, DatePart, Kind
from harness.data.extract.column_roles import Roles


class Source:
    """Stores the arguments of every source; an extractor adds its own and returns the rows when called.

    Args:
        name: the name of the data set; None: a default of the source, such as the file name.
        kind, shape, target, group, id, time, features, keep, drop, task, infinite, positive,
            time_features: see `Roles`.
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
        positive: ClassName | None = None,
        time_features: list[DatePart] | None = None,
    ) -> None:
        self.name = name
        self.roles = Roles(
            target,
            group,
            id,
            time,
            features,
            keep,
            drop,
            task,
            kind,
            shape,
            infinite,
            positive,
            tuple(time_features or ()),
        )

    def fingerprint(self) -> str | None:
        """A text that changes whenever the rows change; None: only reading the rows can show it."""
        return None
