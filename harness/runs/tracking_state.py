"""State: how far the journal of a run has been sent, kept as `tracking.json` in its folder."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from harness.runs.journal import JOURNAL
from harness.runtime.atomic_file import write_text

STATE = "tracking.json"

SILENCE = "it does not answer"
"""The trouble of a server that is away; every other is in MLflow's words."""


@dataclass
class State:
    """The file's presence says that the run is to be tracked.

    uri         of the store, absolute, its password masked
    token       marks this run's MLflow runs, so that one whose creation was interrupted is found again
    creating    the run whose creation was begun and not confirmed
    runs        MLflow's run id by the journal's key ("" is the parent, or only, run)
    models      MLflow's model id by the same key and the bundle's path
    offset      how many bytes of the journal have arrived
    closed      whether every run that arrived has an end: its own, or KILLED
    trouble     what keeps the rest from arriving, in MLflow's words
    refused     what MLflow would not take, and was passed over
    """

    uri: str
    experiment: str
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    experiment_id: str | None = None
    creating: str | None = None
    runs: dict[str, str] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    offset: int = 0
    closed: bool = False
    trouble: str | None = None
    refused: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, folder: Path) -> State | None:
        """What the folder says; None where it is not to be tracked, or a power cut emptied the file."""
        try:
            stored = json.loads((folder / STATE).read_text())
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        known = {entry.name for entry in fields(cls)}
        return cls(**{name: value for name, value in stored.items() if name in known})

    def save(self, folder: Path) -> None:
        """Whole or not at all: a reader never sees half a file."""
        text = json.dumps(asdict(self), indent=1, allow_nan=False)
        # Saved after every upload, and what a power cut costs is sent again: not worth a flush to the disk.
        write_text(folder / STATE, text + "\n", lasting=False)

    @property
    def refusals(self) -> str:
        """What was refused, in one phrase: the first of it, and how much more there is."""
        more = len(self.refused) - 1
        return self.refused[0] + (f" (and {more} more)" if more > 0 else "") if self.refused else "nothing"

    def same_place(self, uri: str, experiment: str) -> bool:
        """Whether this state is about that store (a masked address) and experiment."""
        return (self.uri, self.experiment) == (uri, experiment)

    def sent(self, folder: Path) -> bool:
        """Whether all that the journal holds has arrived, ends included."""
        try:
            return self.closed and self.offset >= (folder / JOURNAL).stat().st_size
        except FileNotFoundError:
            return False
