"""What a verb hands back to the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

JSON = "--json"
"""The option with which a command prints its result as one JSON object, see `harness.cli.json_answer`."""


@dataclass(frozen=True)
class Outcome:
    """The end of a command.

    result  for programs, as `--json` prints it: one of the types of `harness.cli.json_results`; None where
            the command has none, as after an error
    status  the exit status
    error   of a command that failed, as `harness.cli.json_results.Failure`
    then    called when the result was printed: it becomes a server, and does not return
    """

    result: Mapping[str, Any] | None = None
    status: int = 0
    error: Mapping[str, Any] | None = None
    then: Callable[[], None] | None = field(default=None, compare=False)

    @classmethod
    def of(cls, folder: Path, result: Any) -> Outcome:
        """Of a run or sweep: its folder, and the fields of the dataclass that is its `result.json`."""
        fields = {name: value for name, value in vars(result).items() if name != "schema"}
        return cls({"folder": str(folder.absolute()), **fields})
