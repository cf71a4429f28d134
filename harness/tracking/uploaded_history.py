"""The part of a journal's history that affects how later events are sent."""

from __future__ import annotations

from typing import Any

from harness.runs.journal import Event


class History:
    """Updated event by event, in order.

    open     the runs that have started and not ended, parents first
    parents  run -> the path of another run's folder, that contains its parent
    writer   the process that started the latest run, or None
    time     ms, of the latest event
    """

    def __init__(self) -> None:
        self.open: list[str] = []
        self.parents: dict[str, str] = {}
        self.writer: dict[str, Any] | None = None
        self.time = 0
        self._params: dict[str, set[str]] = {}
        self._resumed: set[str] = set()
        self._last: dict[tuple[str, str], tuple[int, float]] = {}

    def note(self, event: Event) -> None:
        run = event["run"]
        self.time = event["time"]
        if event["event"] == "start":
            if run in self._params:
                self._resumed.add(run)
            if run not in self.open:
                self.open.append(run)
            if event["parent"] is not None and event["parent"] not in self._params:
                self.parents[run] = event["parent"]
            self._params.setdefault(run, set()).update(event["params"])
            self.writer = event["writer"]
        elif event["event"] in ("metrics", "system"):
            for name, value, _, step in self.points(event):
                self._last[run, name] = (step, value)
        elif event["event"] == "end":
            self.open = [] if run == "" else [other for other in self.open if other != run]

    def params(self, event: Event) -> dict[str, str]:
        """The new parameters of a `start`: MLflow refuses to change an existing one."""
        known = self._params.get(event["run"], set())
        return {name: value for name, value in event["params"].items() if name not in known}

    def points(self, event: Event) -> list[tuple[str, float, int, int]]:
        """(name, value, time in ms, step) of a `metrics` or `system` event that are new.

        A resumed run goes through the epochs since its checkpoint once more; MLflow would draw those
        points twice. What lies before a name's latest step, or repeats it, is not new then.
        """
        run, step = event["run"], event["step"]
        points = [(name, float(value), event["time"], step) for name, value in event["values"].items()]
        if run not in self._resumed:
            return points
        return [point for point in points if self._is_new(run, point[0], step, point[1])]

    def _is_new(self, run: str, name: str, step: int, value: float) -> bool:
        last_step, last_value = self._last.get((run, name), (-1, 0.0))
        # NaN is compared as text, because it does not equal itself.
        return step > last_step or (step == last_step and repr(value) != repr(last_value))
