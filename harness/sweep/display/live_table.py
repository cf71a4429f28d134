"""The table of running trials at the bottom of a terminal."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO

from harness.console.text_format import Line, printable_line
from harness.sweep.study.snapshot import Row, Snapshot, score

_REFRESH = 0.1  # seconds between two updates of the table
_RESERVED = 6  # lines of the terminal that the table does not use


class LiveTable:
    """The running trials, the state of the sweep and the best trial so far, below the printed lines.

    It is updated by `show` and `say`; there is no background thread. `stream` is a terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self._ours = stream is sys.stdout
        self._console = Console(file=stream)
        self._live: Any = None
        self._shown = -_REFRESH

    @property
    def width(self) -> int:
        """In characters."""
        return int(self._console.width)

    def say(self, line: Line) -> None:
        """Prints a line above the table."""
        from rich.text import Text

        self._console.print(Text.assemble(*printable_line(line)), soft_wrap=True, highlight=False)

    def show(self, snapshot: Snapshot, state: str, best: str) -> None:
        """Updates the table, ten times a second at most."""
        from rich.live import Live as Rich

        if self._live is None:
            self._live = Rich(
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=self._ours,
                redirect_stderr=self._ours and sys.stderr.isatty(),
            )
            self._live.start()
        if time.monotonic() - self._shown >= _REFRESH:
            self._live.update(self._drawn(snapshot, state, best), refresh=True)
            self._shown = time.monotonic()

    def close(self) -> None:
        """Removes the table. May be called twice."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _drawn(self, snapshot: Snapshot, state: str, best: str) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="dim", expand=False)
        for title in ("trial", "worker", "epoch", "so far"):
            table.add_column(title, justify="left" if title == "worker" else "right", no_wrap=True)
        table.add_column("point", overflow="ellipsis", no_wrap=True)
        running = [row for row in snapshot.rows if row.state == "running"]
        most = max(1, self._console.height - _RESERVED)
        for row in running[:most]:
            table.add_row(*cells(row, snapshot))
        more = f"and {len(running) - most} more" if len(running) > most else ""
        lines = [(more, "dim"), (best, "green"), (state, "cyan")]
        footer = [Text(text, style, overflow="ellipsis", no_wrap=True) for text, style in lines if text]
        above: list[Any] = [Text(""), table] if running else []
        return Group(*above, *footer)


def cells(row: Row, snapshot: Snapshot) -> tuple[str, ...]:
    """A running trial: number, worker, epoch of epochs, its score so far, its point."""
    epoch = "" if row.progress is None else f"{row.progress[0]}/{row.progress[1]}"
    so_far = score(row.reports[-1][1]) if row.reports else ""
    return str(row.number), row.worker or "", epoch, so_far, snapshot.describe(row)
