"""How long until something is learned: from the start of the process to the first optimizer step.

One side is `python -m harness`, as it is typed: it composes the configuration, checks every
argument, reads the digits, opens the run's folder and starts the process that feeds MLflow. The
other is `bare/startup.py`, the shortest script that takes one AdamW step on the same digits.

Both run under `watch.py`, which notes the time of the first step and ends the process there.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import Comparison, seconds_on_a_terminal, take_turns

HERE = Path(__file__).parent
ROUNDS = 9


def main(rounds: int = ROUNDS) -> list[Comparison]:
    """One comparison, of whole processes."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        contenders = {
            "harness": partial(seconds_to_the_first_step, "harness", folder),
            "harness, tracking=none": partial(
                seconds_to_the_first_step, "harness", folder, ["tracking=none"]
            ),
            "bare script": partial(seconds_to_the_first_step, str(HERE / "bare" / "startup.py"), folder),
        }
        costs = take_turns(contenders, rounds)
    notes = ["One thread each. The MLflow store is there from an earlier run."]
    return [Comparison("first optimizer step on digits", "s", "bare script", 1.25, costs, notes)]


def seconds_to_the_first_step(program: str, folder: Path, words: list[str] | None = None) -> float:
    """program: "harness", or the path of a script."""
    stamp = folder / "first_step"
    command = [sys.executable, "-P", str(HERE / "watch.py"), str(stamp), program, *(words or [])]
    began = time.time()
    seconds_on_a_terminal(command, folder, {})
    return float(stamp.read_text()) - began
