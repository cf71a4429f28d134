"""The history of a run, read from its journal, for the process that resumes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, final

from harness.runs.journal import Event, alive

OVER = ("finished", "pruned")
"""Ends after which there is nothing to go on with."""

DIVERGED = "Diverged:"
"""How the error of a run begins that going on would only repeat."""


@final
class RunHistory:
    """An empty one is that of a run that begins.

    starts   every `start` of the run itself
    start    the last of them, or None
    seconds  how long the earlier processes worked, as far as the journal knows
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.start: Event | None = None
        self.starts: list[Event] = []
        self.seconds = 0.0
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
            last = event["time"]
        if self.start is not None:
            self.seconds += (last - begun) / 1000

    def has(self, run: str, step: int, values: Mapping[str, float]) -> bool:
        """Whether these scores of this step were written before."""
        return (run, step, frozenset(values)) in self._points

    def fresh(self, run: str, step: int, values: Mapping[str, float]) -> dict[str, float]:
        """Those of the scores that nobody wrote at this step, together or one by one."""
        written = {name for at, when, names in self._points if (at, when) == (run, step) for name in names}
        return {name: value for name, value in values.items() if name not in written}

    def ended(self, run: str) -> str | None:
        """How a run ended; None where it has not, or never began."""
        return self._ends[run]["status"] if run in self._ends else None

    @property
    def diverged(self) -> bool:
        """Whether the run failed because its training diverged, which going on would only repeat."""
        error = self._ends.get("", {}).get("error")
        return self.ended("") == "failed" and str(error).startswith(DIVERGED)

    @property
    def settings(self) -> dict[str, str]:
        """What the run was last started with, by dotted key, as text; {} where it never began."""
        return {} if self.start is None else dict(self.start["params"])

    @property
    def running(self) -> bool | None:
        """Whether the process that wrote last still runs.

        False of a run that ended or never began; None where only the machine of that process could say.
        """
        if self.start is None or self.ended("") is not None:
            return False
        return alive(self.start["writer"])

    @property
    def writer(self) -> dict[str, Any] | None:
        """Who wrote last."""
        return None if self.start is None else dict(self.start["writer"])
