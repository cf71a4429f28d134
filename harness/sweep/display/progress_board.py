"""What a sweep prints while its trials run and when it ends."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TextIO

from harness.console.text_format import Line, duration, file_width, put, score_table
from harness.runs.run_result import Result
from harness.runtime.closed_pipe import standard_output
from harness.sweep.display.live_table import LiveTable
from harness.sweep.report.sweep_result import SweepResult
from harness.sweep.study.snapshot import ENDED, STOPPED, Row, Snapshot, eligible, score

_LINES = 60  # about how many trials have a line
_QUIET = 60.0  # seconds without a line after which a log file gets one
_LONGEST_ERROR = 160
_STYLES = {"running": "blue", "complete": "green", "frozen": "cyan", "pruned": "yellow", "failed": "red"}


class ProgressBoard:
    """Lines on `stream`, one per ended trial; on a terminal with a live table below them.

    Call `opening`, then `show` repeatedly, then `closing`. Where there are very many trials, only some have
    a line: always those that were the best so far, and those that failed. As a context manager it always
    restores the terminal. There is no background thread.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        """`stream` is the standard output unless given."""
        self._stream: TextIO = standard_output() if stream is None else stream
        self._live = LiveTable(self._stream) if self._stream.isatty() else None
        self._label_width = len("see it")
        self._reported: dict[int, int] = {}  # values that each had reported, by number
        self._best: int | None = None
        self._last_print = time.monotonic()

    def __enter__(self) -> ProgressBoard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def opening(self, facts: Mapping[str, str], earlier: Snapshot | None = None) -> None:
        """Prints what the sweep is, a line per fact.

        Args:
            earlier: the study before this process joined it: its ended trials get no line.
        """
        self._label_width = max(self._label_width, *map(len, facts), 0)
        for name, fact in facts.items():
            self._say_fact(name, fact)
        if earlier is not None and (earlier.ended or earlier.count("running")):
            self._reported = {row.number: len(row.reports) for row in earlier.history}
            self._best = _first(earlier)
            self._say([(f"before: {state(earlier, None)}", "")])
        self._say([])

    def show(self, snapshot: Snapshot, remaining: float | None = None, expected: str = "") -> None:
        """Prints new lines and updates the table.

        Args:
            remaining: estimated seconds until the end; None where that is unknown.
            expected: what further trials would bring, as a sentence.
        """
        now = state(snapshot, remaining, expected, None if self._live is None else self._live.width)
        for row in snapshot.history:
            if self._reported.get(row.number) != len(row.reports):  # a frozen trial may end once more
                self._reported[row.number] = len(row.reports)
                self._report(row, snapshot)
        if self._live is not None:
            self._live.show(snapshot, now, best_line(snapshot))
        elif time.monotonic() - self._last_print > _QUIET:
            self._say([("; ".join(filter(None, [now, best_line(snapshot)])), "")])

    def show_running(self, snapshot: Snapshot) -> None:
        """Prints a line for each trial that runs, as a terminal's table has it."""
        for row in snapshot.rows:
            if row.state == "running":
                self._say(trial_line(row, snapshot, better=False))

    def say(self, text: str) -> None:
        """A plain line."""
        self._say([(text, "")])

    def note(self, text: str) -> None:
        """An important remark."""
        self._say([("! ", "yellow"), (text, "yellow")])

    def closing(
        self,
        result: SweepResult,
        snapshot: Snapshot,
        folder: Path,
        pointers: Mapping[str, str | None] | None = None,
        remarks: Sequence[str] = (),
    ) -> None:
        """Prints how the sweep ended, the best trial with its scores, and where the files are.

        Args:
            pointers: further lines, such as {"mlflow": …, "see it": …, "again": …, "go on": …}.
            remarks: sentences below the best trial.
        """
        self.close()
        self._say([])
        table = score_table(Result(status="finished", scores=result.scores), self._width())
        for line in [*table, *([[]] if table else [])]:
            self._say(line)
        colour = {"finished": "bold green", "failed": "bold red"}.get(result.status, "bold yellow")
        ended = state(snapshot, None, waits=result.status != "finished")
        self._say([(result.status, colour), (f" in {duration(result.seconds)}, {ended}", "")])
        if best := best_line(snapshot):
            self._say([(best, "bold")])
        for remark in remarks:
            self._say([(remark, "")])
        if result.error:
            self._say([(result.error, "red")])
        self._say([])
        for name, pointer in {"files": str(folder), **(pointers or {})}.items():
            if pointer:
                self._say_fact(name, pointer)

    def close(self) -> None:
        """Removes the live table. May be called twice."""
        if self._live is not None:
            self._live.close()

    def _width(self) -> int | None:
        """Of the terminal, or as COLUMNS says; None for a file without it."""
        return file_width() if self._live is None else self._live.width

    def _report(self, row: Row, snapshot: Snapshot) -> None:
        """Prints the line of an ended trial, unless there are too many trials."""
        better = self._better(row, snapshot)
        if better:
            self._best = row.number
        expected = max(snapshot.trials or 0, len(snapshot.rows))
        stride = max(1, math.ceil(expected / _LINES))
        if better or row.state == "failed" or len(self._reported) % stride == 0:
            self._say(trial_line(row, snapshot, better))

    def _better(self, row: Row, snapshot: Snapshot) -> bool:
        """Whether a trial is the best so far; of several objectives, whether it is on the Pareto front."""
        if not eligible(row):
            return False
        if len(snapshot.objectives) > 1:
            return row in snapshot.best
        best = next((other for other in snapshot.rows if other.number == self._best), None)
        return best is None or not eligible(best) or snapshot.cost(row) < snapshot.cost(best)

    def _say_fact(self, name: str, fact: str) -> None:
        self._say([(f"{name:<{self._label_width}}  ", "cyan"), (fact, "")])

    def _say(self, line: Line) -> None:
        self._last_print = time.monotonic()
        if self._live is not None:
            self._live.say(line)
        else:
            put(line, self._stream)


def state(
    snapshot: Snapshot,
    remaining: float | None,
    expected: str = "",
    width: int | None = None,
    waits: bool = True,
) -> str:
    """`12 of 30 trials ended (9 complete, 2 frozen, 1 failed), 2 running, 16 waiting, about 3 min 20 s left`.

    Args:
        remaining: estimated seconds until the end; None where that is unknown.
        expected: what further trials would bring, as a sentence.
        width: in characters; the least important parts are left out where it is too small.
        waits: whether trials that have not begun will; false of a finished sweep.
    """
    of = f" of {snapshot.trials}" if snapshot.trials is not None else ""
    ended = f"{snapshot.ended}{of} trials ended"
    counts = snapshot.counts
    kinds = [f"{counts[name]} {name}" for name in ENDED if counts[name]]
    detailed = f"{ended} ({', '.join(kinds)})" if kinds else ended
    others = {"running": snapshot.count("running"), "waiting": snapshot.waiting if waits else 0}
    counted = [f"{count} {name}" for name, count in others.items() if count]
    left = f"about {duration(remaining)} left" if remaining else ""
    choices = [[detailed, *counted, left, expected], [detailed, *counted, left], [ended, *counted, left]]
    texts = [", ".join(filter(None, parts)) for parts in [*choices, [ended, left]]]
    return next((text for text in texts if width is None or len(text) <= width), texts[-1])


def best_line(snapshot: Snapshot) -> str:
    """`best trial 7  valid/accuracy 0.9812  model=mlp lr=0.003`, or how large the Pareto front is."""
    best = snapshot.best
    if not best:
        return ""
    if len(snapshot.objectives) == 1:
        return (
            f"best trial {best[0].number}  {values(best[0], snapshot)}  {snapshot.describe(best[0])}".rstrip()
        )
    reached = []
    for place, objective in enumerate(snapshot.objectives):
        value = min((row.values[place] for row in best if row.values), key=objective.cost)
        reached.append(f"{objective.name} {score(value)}")
    count = f"{len(best)} trial{'' if len(best) == 1 else 's'}"
    return f"Pareto front of {count}, best of each  {'  '.join(reached)}"


def values(row: Row, snapshot: Snapshot) -> str:
    """`valid/accuracy 0.9812`, or several beside each other."""
    named = zip(snapshot.objectives, row.values or (), strict=True)
    return "  ".join(f"{objective.name} {score(value)}" for objective, value in named)


def trial_line(row: Row, snapshot: Snapshot, better: bool) -> Line:
    """`trial 12  complete  valid/accuracy 0.9812  best  3.1 s  model=mlp lr=0.003`; one that has begun."""
    line: Line = [(f"trial {row.number:<{len(str(snapshot.trials or 100))}}  ", "")]
    line.append((f"{row.state:<8}", _STYLES[row.state]))
    reached = (
        values(row, snapshot)
        if row.state == "complete"
        else _so_far(row, snapshot)
        if row.state in (*STOPPED, "running")
        else ""
    )
    parts = [(reached, "bold green" if better else "")]
    if row.state == "complete" and not row.feasible:
        parts.append(("breaks a constraint", "yellow"))
    if better:
        parts.append(("front" if len(snapshot.objectives) > 1 else "best", "bold green"))
    if row.seconds is not None:
        parts.append((duration(row.seconds), "dim"))
    parts += [(snapshot.describe(row), ""), (_clipped(row.error), "red")]
    for text, style in parts:
        if text:
            line += [("  ", ""), (text, style)]
    return line


def _so_far(row: Row, snapshot: Snapshot) -> str:
    """The last epoch and value of a trial; the value has a name where it is not the objective's."""
    epoch = [] if row.progress is None else [f"epoch {row.progress[0]} of {row.progress[1]}"]
    name = "" if snapshot.compared is None else f"{snapshot.compared.name} "
    return "  ".join([*epoch, *([f"{name}{score(row.reports[-1][1])}"] if row.reports else [])])


def _clipped(error: str | None) -> str:
    line = " ".join((error or "").split())
    return line if len(line) <= _LONGEST_ERROR else f"{line[:_LONGEST_ERROR]} …"


def _first(snapshot: Snapshot) -> int | None:
    return snapshot.best[0].number if snapshot.best else None
