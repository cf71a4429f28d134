"""`python -m harness watch SWEEP`: the trials of a sweep as they end, from any shell or machine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from harness.cli.json_results import WatchResult
from harness.cli.verb_outcome import Outcome
from harness.cli.verb_parser import Parser

_INTERVAL = 1.0
"""Seconds between two looks at the study."""

_PATIENCE = 20.0
"""Seconds without a worker after which nobody works on the sweep: workers may just be starting."""


def main(words: list[str]) -> Outcome:
    """Prints a line per trial that ends, on a terminal with a table below, until the sweep ends or Ctrl-C.

    Nothing of the sweep is changed.

    Raises:
        UserError: there is no such sweep.
    """
    parser = Parser("watch", "Watch a sweep that another command runs.")
    parser.add_argument("sweep", help="the sweep")
    parser.add_argument("--once", action="store_true", help="print how it stands now, and end")
    parser.add_argument("--storage", help="sweep.storage of the sweep, where its study is in a database")
    parser.add_argument("--outputs", default="outputs", help="where the sweeps are (default: %(default)s)")
    options = parser.parse_args(words)

    from harness.sweep.control.live_sweep import LiveSweep

    sweep = LiveSweep.open(options.sweep, Path(options.outputs), options.storage)
    now, ending = _watch(sweep, options.once)
    best = [
        {"number": row.number, "values": list(row.values or ()), "point": dict(row.point)} for row in now.best
    ]
    result: WatchResult = {"sweep": sweep.name, "ending": ending, "trials": dict(now.counts), "best": best}
    return Outcome(result)


def _watch(sweep: Any, once: bool) -> tuple[Any, str]:
    """Shows the sweep; returns its last state and why the watch ended."""
    from harness.sweep.display.progress_board import ProgressBoard, best_line, state

    seen = time.monotonic()
    with ProgressBoard() as board:
        board.opening({"sweep": sweep.name, "files": str(sweep.folder)})
        while True:
            now = sweep.snapshot()
            board.show(now)
            if sweep.workers or now.count("running"):
                seen = time.monotonic()
            ending = _ending(sweep, once, time.monotonic() - seen)
            if ending:
                break
            time.sleep(_INTERVAL)
        board.close()
        board.show_running(now)
        for line in (state(now, None, waits=ending != "finished"), best_line(now)):
            if line:
                board.say(line)
        if ending == "idle":
            board.note("no command is running it now; its command continues it")
    return now, ending


def _ending(sweep: Any, once: bool, seconds: float) -> str:
    """Why the watch ends now; empty: it goes on. `seconds`: since a worker was last seen."""
    if sweep.finished:
        return "finished"
    if once:
        return "once"
    return "idle" if seconds > _PATIENCE else ""
