"""Uploads one run's journal to MLflow, starting where the last upload stopped."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any

from harness.core.error_text import error_text
from harness.runs.journal import Event, alive, read
from harness.runs.tracking_state import SILENCE, State
from harness.tracking import store_address
from harness.tracking.mlflow_sender import Sender
from harness.tracking.mlflow_store import Store, refusal, silent
from harness.tracking.uploaded_history import History

KILLED = "the process that ran it ended without a word: killed, out of memory or a power cut"

_POINTS_PER_CALL = 1000
_TRIES = 3
_MOST_REFUSED = 5


class JournalUpload:
    """Sends the events of the journal and records its progress in the run's `tracking.json`.

    Only one upload may work on a folder; its creator holds the folder's lock. Sending an event twice
    changes nothing, so after a kill another upload can continue.

    Args:
        uri: absolute, with its password.
        outputs: folder for the artifacts of a store without a server.
    """

    def __init__(self, folder: Path, uri: str, experiment: str, outputs: Path) -> None:
        self.folder = folder
        self.state = adopt(folder, uri, experiment)
        self._place = (uri, experiment, outputs)
        self._history = History()
        for event in read(folder, until=self.state.offset)[0]:
            self._history.note(event)
        self._waiting: deque[Event] = deque()
        self._read_to = self.state.offset
        self._tries = 0
        self._sender: Sender | None = None

    def advance(self, seconds: float) -> bool:
        """Sends for about that many seconds. True if nothing is left to send.

        Raises:
            Exception: the store is unreachable; the next call sends the rest.
        """
        until = monotonic() + seconds
        while not self._caught_up():
            sender = self._ready()
            while self._waiting:
                self._send_next(sender)
                if self._waiting and monotonic() > until:
                    return False
            self._find_parents(sender)
            self._save()
        return True

    def abandon(self) -> None:
        """Marks the runs that have no end as KILLED; call it when `writer_lives` is False.

        Raises:
            Exception: the store is unreachable.
        """
        if not self._history.open:
            return
        sender = self._ready()
        for run in reversed(self._history.open):
            if run in self.state.runs:
                sender.end(run, "killed", KILLED, self._history.time)
        self._history.open = []
        self._save()

    def report(self, error: Exception) -> None:
        """Records in `tracking.json` why the upload failed."""
        trouble = self._error_line(error)
        if trouble != self.state.trouble:
            self.state.trouble = trouble
            self.state.save(self.folder)

    @property
    def finished(self) -> bool:
        return self.state.sent(self.folder)

    @property
    def ended(self) -> bool:
        """Whether every run in the journal has an end event that was sent."""
        return self._history.writer is not None and not self._history.open

    @property
    def writer_lives(self) -> bool | None:
        """As `harness.runs.journal.alive`; False if nothing has been written yet."""
        return False if self._history.writer is None else alive(self._history.writer)

    def _caught_up(self) -> bool:
        if not self._waiting:
            events, self._read_to = read(self.folder, self._read_to)
            self._waiting.extend(events)
        return not self._waiting and self.state.offset == self._read_to

    def _ready(self) -> Sender:
        if self._sender is None:
            self._sender = Sender(Store(*self._place), self.state, self.folder)
        return self._sender

    def _save(self) -> None:
        self.state.offset, self.state.trouble = self._read_to, None
        self.state.closed = self.ended
        self.state.save(self.folder)

    def _send_next(self, sender: Sender) -> None:
        group = self._next_group()
        try:
            self._send(sender, group)
        except Exception as error:
            self._tries += 1
            again = refusal(error) is False or (refusal(error) is None and self._tries < _TRIES)
            # Without the run in MLflow no later event could be sent.
            homeless = group[0]["event"] == "start" and group[0]["run"] not in self.state.runs
            if again or homeless:
                raise
            self._refused(group[0], error)
        self._tries = 0
        for event in group:
            self._waiting.popleft()
            self._history.note(event)

    def _next_group(self) -> list[Event]:
        """The next event; for metrics, as many epochs of one run as fit into one request."""
        first = self._waiting[0]
        if first["event"] not in ("metrics", "system"):
            return [first]
        group, points = [first], len(first["values"])
        for event in islice(self._waiting, 1, _POINTS_PER_CALL):
            points += len(event.get("values", ()))
            if (event["event"], event["run"]) != (first["event"], first["run"]) or points > _POINTS_PER_CALL:
                break
            group.append(event)
        return group

    def _send(self, sender: Sender, group: list[Event]) -> None:
        event = group[0]
        run = event["run"]
        match event["event"]:
            case "start":
                sender.start(event, self._parent(event["parent"]))
                self._unless_refused(event, sender.params, self._history.params(event))
                self._unless_refused(event, sender.tags, event["tags"])
                self._unless_refused(event, sender.inputs, event["inputs"])
            case "metrics" | "system":
                points = [point for event in group for point in self._history.points(event)]
                for at in range(0, len(points), _POINTS_PER_CALL):
                    sender.metrics(run, points[at : at + _POINTS_PER_CALL])
            case "tags":
                sender.tags(run, event["tags"])
            case "artifact":
                sender.artifact(run, event["path"], event["under"])
            case "model":
                sender.model(run, event["path"])
            case "end":
                # The parent has ended, so its children without an end event have ended too.
                children = [name for name in self._history.open if name != ""] if run == "" else []
                for ended in (*children, run):
                    sender.end(ended, event["status"], event["error"], event["time"])

    def _parent(self, parent: str | None) -> str | None:
        """MLflow's id of a parent run, from this journal or from the state of another folder."""
        if parent is None:
            return None
        if parent in self.state.runs:
            return self.state.runs[parent]
        if set(Path(parent).parts) != {".."}:  # a trial's sweep; no other folder is looked into
            return None
        other = State.load(self.folder / parent)
        if other is None or not other.same_place(self.state.uri, self.state.experiment):
            return None
        return other.runs.get("")

    def _find_parents(self, sender: Sender) -> None:
        """Another process uploads the sweep, so MLflow may have a trial before its sweep."""
        for run, folder in list(self._history.parents.items()):
            parent = self._parent(folder)
            if parent is not None:
                sender.tags(run, {"mlflow.parentRunId": parent})
                del self._history.parents[run]

    def _unless_refused(self, event: Event, send: Callable[[str, Any], None], facts: Any) -> None:
        """Sends the parts of a start event separately, because MLflow may refuse one of them."""
        try:
            send(event["run"], facts)
        except Exception as error:
            if refusal(error) is not True:
                raise
            self._refused(event, error)

    def _refused(self, event: Event, error: Exception) -> None:
        if len(self.state.refused) < _MOST_REFUSED:
            self.state.refused.append(f"{event['event']} of run {event['run']!r}: {self._error_line(error)}")

    def _error_line(self, error: Exception) -> str:
        return error_line(error, self._place[0])


def adopt(folder: Path, uri: str, experiment: str) -> State:
    """The upload state for this store; a new one if the run was sent to another store before."""
    place = store_address.masked(uri)
    state = State.load(folder)
    if state is None or not state.same_place(place, experiment):
        state = State(place, experiment)
    return state


def error_line(error: Exception, uri: str) -> str:
    """The error as one short line without the store's password."""
    if silent(error):
        return SILENCE
    line = " ".join(store_address.scrubbed(error_text(error), uri).split())
    return line if len(line) <= 300 else line[:299] + "…"
