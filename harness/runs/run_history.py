"""The history of a run, read from its journal, for the process that resumes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, final

from harness.runs.journal import Event, alive

OVER = ("finished", "pruned")
"""Ends after which a run cannot be resumed."""

DIVERGED = "Diverged:"
"""The start of the stored error of a run that diverged; resuming it would only repeat that."""


@final
class RunHistory:
    """A summary of the journal; without events, that of a new run.

    starts   every `start` event of the run itself
    start    the last of them, or None
    seconds  working time of the earlier processes, from the times in the journal
    samples  the number of samples of system metrics
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.start: Event | None = None
        self.starts: list[Event] = []
        self.seconds = 0.0
        self.samples = 0
        self._ends: dict[str, Event] = {}
        self._points: set[tuple[str, int, frozenset[str]]] = set()
        begun = last = 0
        for event in events:
            run = event["run"]
            if event["event"] == "start":
                self._ends.pop(run, None)
                if run == "":
                    self.seconds += 0.0 if self.start is None else (last - begun) / 1000
                    self.start, begun = event, event["time"]
                    self.starts.append(event)
            elif event["event"] == "end":
                self._ends[run] = event
            elif event["event"] == "metrics":
                self._points.add((run, event["step"], frozenset(event["values"])))
            elif event["event"] == "system":
                self.samples += 1
            last = event["time"]
        if self.start is not None:
            self.seconds += (last - begun) / 1000

    def has(self, run: str, step: int, values: Mapping[str, float]) -> bool:
        """Whether these scores of this step were written before."""
        return (run, step, frozenset(values)) in self._points

    def fresh(self, run: str, step: int, values: Mapping[str, float]) -> dict[str, float]:
        """Returns the scores that were not written at this step before, together or separately."""
        written = {name for at, when, names in self._points if (at, when) == (run, step) for name in names}
        return {name: value for name, value in values.items() if name not in written}

    def ended(self, run: str) -> str | None:
        """Returns how a run ended; None if it has not ended, or never started."""
        return self._ends[run]["status"] if run in self._ends else None

    @property
    def diverged(self) -> bool:
        """Whether the run failed because its training diverged; resuming would only repeat that."""
        error = self._ends.get("", {}).get("error")
        return self.ended("") == "failed" and str(error).startswith(DIVERGED)

    @property
    def settings(self) -> dict[str, str]:
        """The settings of the last start, as text by dotted key; {} if it never started."""
        return {} if self.start is None else dict(self.start["params"])

    @property
    def running(self) -> bool | None:
        """Whether the process that wrote last still runs.

        False if the run ended or never started; None if that process is on another host.
        """
        if self.start is None or self.ended("") is not None:
            return False
        return alive(self.start["writer"])

    @property
    def writer(self) -> dict[str, Any] | None:
        """The process that wrote the last `start`, see `harness.runs.journal.writer`."""
        return None if self.start is None else dict(self.start["writer"])
