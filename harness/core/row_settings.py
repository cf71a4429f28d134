"""Settings of a transform that follow from the rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class RowSettings:
    """Arguments that the user left to the data.

    values  argument -> value, as in yaml
    notes   sentences for the user: what is changed about the rows
    """

    values: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def texts(self) -> dict[str, str]:
        """The values as on a command line: `[8,10]`."""
        return {name: str(value).replace(" ", "") for name, value in self.values.items()}
