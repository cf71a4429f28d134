"""What a run prints while it works and when it ends."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from harness.console.text_format import (
    Line,
    duration,
    epoch_columns,
    epoch_header,
    epoch_row,
    file_width,
    fit_bar,
    fold_columns,
    fold_row,
    headline,
    number,
    printable_line,
    put,
    score_table,
)
from harness.core.progress import Progress
from harness.core.scores import repeated_loss
from harness.runs.run_result import Result
from harness.runtime.closed_pipe import standard_output

_ROWS = 30  # about how many epochs or folds are printed
_FILE_WIDTH = 100  # of the tables of epochs and folds in a file
_REFRESH = 0.1  # seconds between two updates of the progress bar
_QUIET = 60.0  # seconds without a line after which a log file gets one


class Screen:
    """Lines on `stream`: with colours and a progress bar on a terminal, plain lines elsewhere.

    Call `opening`, then per fold `fold`, `epoch` for each epoch and `fold_scores`, then `closing`.
    As a context manager it always restores the terminal. There is no background thread: the bar moves
    when `epoch` is called, ten times a second at most.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        """`stream` is the standard output unless given."""
        self._stream: TextIO = standard_output() if stream is None else stream
        self._live = self._stream.isatty()
        self._console: Any = None
        self._bar: Any = None
        self._buffer: list[Line] = []
        self._last_print = -math.inf
        self._monitor = ""
        self._label_width = len("mlflow")
        self._folds = 1
        self._fold = 0
        self._finished = 0
        self._epochs_done = 0
        self._started: float | None = None
        self._fold_started = 0.0
        self._rows: dict[int, dict[str, int]] = {}
        self._names: dict[int, Mapping[str, int]] = {}
        self._columns: list[str] = []
        self._fold_columns: list[str] = []
        self._pending: Progress | None = None
        self._bests: dict[int, Progress] = {}

    def __enter__(self) -> Screen:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def opening(self, facts: dict[str, str], monitor: str = "") -> None:
        """Prints what will run, a line per fact; `monitor` is the score that decides the best epoch."""
        self._monitor = monitor
        self._label_width = max(self._label_width, *map(len, facts), 0)
        for name, fact in facts.items():
            self._say_fact(name, fact)
        self._show(force=True)

    def fold(
        self, number: int, folds: int, rows: dict[str, int], names: Mapping[str, int] | None = None
    ) -> None:
        """A fold begins: its 0-based number, the number of folds, and the number of rows of each part.

        Args:
            names: of a network of an ensemble, the numbers of "fold" and "network"; None: its number alone.
        """
        self._folds, self._fold, self._rows[number] = folds, number, rows
        self._names[number] = names or {"fold": number}
        self._pending = None
        self._bests.pop(number, None)
        self._fold_started = time.monotonic()
        if self._started is None:
            self._started = self._fold_started
        if folds == 1:
            parts = ", ".join(f"{count:,} {part}" for part, count in rows.items())
            self._say_fact("rows", parts)
            self._say([])
        self._show(force=True)

    def epoch(self, progress: Progress, fold: int | None = None) -> None:
        """An epoch has ended. Where there are many, only the best of every few is printed.

        Args:
            fold: the number of its fold; None: that which began last.
        """
        self._fold = fold = self._fold if fold is None else fold
        progress = replace(progress, state=dict)  # keeps the scores and releases the model
        self._epochs_done += 1
        if progress.best or fold not in self._bests:
            self._bests[fold] = progress
        if self._pending is None or progress.best or not self._pending.best:
            self._pending = progress
        stride = max(1, math.ceil(progress.epochs / _ROWS))
        due = progress.epoch in (1, progress.epochs) or progress.epoch % stride == 0
        overdue = not self._live and time.monotonic() - self._last_print > _QUIET
        if self._folds == 1 and (due or overdue):
            self._print_pending()
        elif overdue:
            self._say([(self._states(progress)[0], "")])
        self._show(progress)

    def fact(self, name: str, fact: str) -> None:
        """One more line like those of the opening, such as the progress of a step that has no table."""
        self._say_fact(name, fact)
        self._show(force=True)

    def note(self, text: str) -> None:
        """An important remark."""
        self._say([("! ", "yellow"), (text, "yellow")])
        self._show(force=True)

    def say(self, text: str) -> None:
        """Plain lines, such as the table of a debug mode."""
        for line in text.splitlines():
            self._say([(line, "")])
        self._show(force=True)

    def fold_scores(self, number: int, scores: dict[str, float]) -> None:
        """A fold has ended. Of several folds each has a line with its scores; of very many only some."""
        self._finished += 1
        stride = max(1, math.ceil(self._folds / _ROWS))
        if self._folds == 1:
            self._print_pending()
        elif self._finished in (1, self._folds) or self._finished % stride == 0:
            self._print_fold(number, scores)
        self._fold_started = time.monotonic()  # of folds that were trained together, the first took the time
        self._show(force=True)

    def closing(
        self,
        result: Result,
        folder: Path,
        link: str | None = None,
        ui: str | None = None,
        go_on: str | None = None,
    ) -> None:
        """Prints the scores with their baselines, where the files are, and the next commands.

        Args:
            link: where MLflow has the run.
            ui: the command that shows it there.
            go_on: the command that resumes a stopped run.
        """
        self.close()
        self._say([])
        for line in score_table(result, self._width()):
            self._say(line)
        if result.scores:
            self._say([])
        colour = {"finished": "bold green", "failed": "bold red"}.get(result.status, "bold yellow")
        ended: Line = [(result.status, colour), (f" in {duration(result.seconds)}", "")]
        if result.objective and result.objective["value"] is not None:
            objective = result.objective
            ended.append(
                (f", {objective['name']} {number(objective['value'])} ({objective['direction']}d)", "")
            )
        self._say(ended)
        if result.error:
            self._say([(result.error, "red")])
        self._say([])
        pointers = {
            "files": str(folder),
            "mlflow": link,
            "see it": ui,
            "repeat": result.command,
            "go on": go_on,
        }
        for name, pointer in pointers.items():
            if pointer:
                self._say_fact(name, pointer)
        self._show(force=True)

    def close(self) -> None:
        """Prints the remaining lines and removes the bar. May be called twice."""
        self._print_pending()
        self._show(force=True)
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _print_pending(self) -> None:
        progress, self._pending = self._pending, None
        if progress is None or self._folds > 1:
            return
        if not self._columns:
            self._columns = epoch_columns(progress, self._monitor, self._width() or _FILE_WIDTH)
            for line in epoch_header(self._columns):
                self._say(line)
        self._say(epoch_row(self._columns, progress, self._monitor))

    def _print_fold(self, fold: int, scores: dict[str, float]) -> None:
        """One line per fold, below a header that is printed once."""
        seconds = time.monotonic() - self._fold_started
        best, rows = self._bests.get(fold), self._rows[fold]
        cells = {
            **{name: str(place) for name, place in self._names[fold].items()},
            "/".join(rows): "/".join(str(count) for count in rows.values()),
            "best epoch": f"{best.epoch}" if best else "-",
        }
        shown = {name: number(value) for name, value in headline(scores).items()}
        cells |= shown
        if not self._fold_columns:
            repeated = repeated_loss(shown, shown.__getitem__, f"test/{self._monitor.partition('/')[2]}")
            titles = [name for name in cells if name not in repeated]
            self._fold_columns = fold_columns(titles, self._monitor, self._width() or _FILE_WIDTH)
            self._say([])
            self._say([(fold_row(self._fold_columns, self._fold_columns), "dim")])
        row = fold_row([cells.get(name, "-") for name in self._fold_columns], self._fold_columns)
        self._say([(row, ""), (f"  {duration(seconds)}", "dim")])

    def _states(self, progress: Progress) -> list[str]:
        """`fold 3 (4 of 10), epoch 12 of 50, best valid/accuracy 0.9812`, and shorter forms of it."""
        names = self._names.get(self._fold, {"fold": self._fold})
        named = " ".join(f"{name} {place}" for name, place in names.items())
        fold = f"{named} ({self._finished + 1} of {self._folds}), " if self._folds > 1 else ""
        epoch = f"{fold}epoch {progress.epoch} of {progress.epochs}"
        kept = self._bests.get(self._fold)
        best = kept.scores.get(self._monitor) if kept else None
        scores = [] if best is None else [f", best {self._monitor} {number(best)}", f", best {number(best)}"]
        return [*(f"{epoch}{score}" for score in scores), epoch, f"epoch {progress.epoch}"]

    def _completed(self, progress: Progress) -> int:
        """How many epochs of all folds are done; of folds that ended early, all."""
        return max(self._finished * progress.epochs + progress.epoch, self._epochs_done)

    def _remaining(self, progress: Progress) -> float:
        """Estimated seconds until the last epoch of the last fold."""
        done = self._completed(progress)
        started = self._fold_started if self._started is None else self._started
        pace = (time.monotonic() - started) / max(1, self._epochs_done)
        return pace * (self._folds * progress.epochs - done)

    def _say_fact(self, name: str, fact: str) -> None:
        self._say([(f"{name:<{self._label_width}}  ", "cyan"), (fact, "")])

    def _width(self) -> int | None:
        """Of the terminal, or as COLUMNS says; None for a file without it."""
        return int(self._terminal().width) if self._live else file_width()

    def _say(self, line: Line) -> None:
        """Buffers a line for the next `_show`; prints it at once where there is no bar."""
        if self._live:
            self._buffer.append(line)
        else:
            put(line, self._stream)
            self._last_print = time.monotonic()

    def _show(self, progress: Progress | None = None, force: bool = False) -> None:
        """Prints the buffered lines above the bar and moves the bar, ten times a second at most."""
        if (
            not self._live
            or self._stream.closed
            or not (force or time.monotonic() - self._last_print >= _REFRESH)
        ):
            return
        console = self._terminal()
        if progress is not None:
            self._move_bar(progress)
        if self._buffer:
            from rich.text import Text

            text = Text("\n").join(Text.assemble(*printable_line(line)) for line in self._buffer)
            console.print(text, soft_wrap=True, highlight=False)
            self._buffer = []
        if self._bar is not None:
            self._bar.refresh()
        self._last_print = time.monotonic()

    def _terminal(self) -> Any:
        """The rich console, created when it is first needed."""
        if self._console is None:
            from rich.console import Console

            self._console = Console(file=self._stream)
        return self._console

    def _move_bar(self, progress: Progress) -> None:
        left = f", {duration(self._remaining(progress))} left"
        bar, state = fit_bar(self._states(progress), self._terminal().width - len(left))
        state += f"[dim]{left}"
        completed = self._completed(progress)
        if self._bar is not None:
            self._bar.columns[0].bar_width = bar
            self._bar.update(self._bar.task_ids[0], completed=completed, description=state)
            return
        from rich import progress as rich

        ours = self._stream is sys.stdout
        self._bar = rich.Progress(
            rich.BarColumn(bar_width=bar, complete_style="cyan", finished_style="cyan"),
            rich.TextColumn("{task.description}"),
            console=self._terminal(),
            auto_refresh=False,
            transient=True,
            redirect_stdout=ours,
            redirect_stderr=ours and sys.stderr.isatty(),
        )
        self._bar.add_task(state, total=self._folds * progress.epochs, completed=completed)
        self._bar.start()
