"""How far the journal of a run has been sent to MLflow, stored as `tracking.json` in its folder."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, NotRequired

from annotated_types import Ge
from typing_extensions import TypedDict

from harness.core.name_list import and_more
from harness.runs.journal import JOURNAL
from harness.runtime.atomic_file import write_text
from harness.runtime.mlflow_environment import experiment_title
from harness.runtime.stored_file import read_json

STATE = "tracking.json"

SILENCE = "it does not answer"
"""The value of `trouble` if the server is unreachable; other values are MLflow's messages."""


class _Content(TypedDict):
    uri: str
    experiment: str
    token: NotRequired[str]
    experiment_id: NotRequired[str | None]
    experiment_name: NotRequired[str | None]
    creating: NotRequired[str | None]
    runs: NotRequired[dict[str, str]]
    models: NotRequired[dict[str, str]]
    offset: NotRequired[Annotated[int, Ge(0)]]
    closed: NotRequired[bool]
    trouble: NotRequired[str | None]
    refused: NotRequired[list[str]]


@dataclass
class State:
    """The content of `tracking.json`; a run that has this file is tracked.

    uri         of the store, absolute, its password masked
    experiment  as configured: a name, or an id in the form of `harness.runtime.mlflow_environment`
    token       a tag of this run's MLflow runs, by which one whose creation was interrupted is found again
    creating    the run, or the model by its key in `models`, whose creation was started and not confirmed
    runs        MLflow's run id by the journal's key ("" is the parent, or only, run)
    models      MLflow's model id by the same key and the bundle's path
    offset      how many bytes of the journal have been sent
    closed      whether every run that was sent has an end: its own, or KILLED
    trouble     why the rest could not be sent, as MLflow's message
    refused     what MLflow refused, and was skipped
    """

    uri: str
    experiment: str
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    experiment_id: str | None = None
    experiment_name: str | None = None
    creating: str | None = None
    runs: dict[str, str] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    offset: int = 0
    closed: bool = False
    trouble: str | None = None
    refused: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, folder: Path) -> State | None:
        """Reads the state; None if the run is not tracked, or a power cut emptied the file.

        Raises:
            DamagedFile: it is no state.
        """
        path = folder / STATE
        try:
            if path.is_file() and path.stat().st_size == 0:
                return None
            stored = read_json(path, _Content)
        except FileNotFoundError:
            return None
        known = {entry.name for entry in fields(cls)}
        return cls(**{name: value for name, value in stored.items() if name in known})

    def save(self, folder: Path) -> None:
        """Writes the file atomically: a reader never sees half of it."""
        text = json.dumps(asdict(self), indent=1, allow_nan=False)
        # Saved after every upload. After a power cut the events are sent again, so no flush to disk is
        # needed.
        write_text(folder / STATE, text + "\n", lasting=False)

    @property
    def title(self) -> str:
        """The experiment's name; its id until MLflow has given the name."""
        return self.experiment_name or experiment_title(self.experiment)

    @property
    def refusals(self) -> str:
        """A phrase with the first refusal and the number of others."""
        return and_more(self.refused[0], len(self.refused) - 1) if self.refused else "nothing"

    def same_place(self, uri: str, experiment: str) -> bool:
        """Whether this state belongs to that store (a masked address) and experiment."""
        return (self.uri, self.experiment) == (uri, experiment)

    def sent(self, folder: Path) -> bool:
        """Whether the whole journal has been sent, ends included."""
        try:
            return self.closed and self.offset >= (folder / JOURNAL).stat().st_size
        except FileNotFoundError:
            return False
