"""Errors about sealed test rows, and the number of looks at test scores."""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import TypedDict

from harness.core.errors import UserError
from harness.core.name_list import counted


class Opened(TypedDict):
    """The run for which a seal was opened, and when (ISO 8601)."""

    run: str
    time: str


@dataclass(frozen=True)
class Looks:
    """Looks at the scores of test rows, and of how many models they were."""

    number: int
    models: int


class SealedRows(UserError):
    """Test rows are sealed: nobody may score or predict them yet."""

    def __init__(self, seal: str, count: int, what: str, remedy: str) -> None:
        super().__init__(f"{what}, {count:,} of which are sealed test rows ({seal})", remedy, value=seal)
        self.seal, self.count = seal, count


class SeenBefore(UserError):
    """Test rows cannot be sealed any more: their scores are known."""

    def __init__(self, rows: int, looks: Looks) -> None:
        super().__init__(
            "split.sealed=true seals test rows whose scores nobody has seen, and these "
            f"{rows:,} rows were looked at {_times(looks.number)}, with {counted(looks.models, 'model')}",
            "leave it out, or divide rows that are new",
            key="split.sealed",
        )
        self.looks = looks


class Unsealed(UserError):
    """The seal was opened before."""

    def __init__(self, seal: str, run: str, time: str, remedy: str = "") -> None:
        others = "`python -m harness evaluate RUN` scores other models on these rows, and counts each look"
        super().__init__(
            f"{seal} was unsealed on {time[:10]} for {run}, and a seal is opened once",
            remedy or others,
            value=seal,
        )
        self.seal, self.run = seal, run


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")
