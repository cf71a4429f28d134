"""A callback: called at the end of each epoch."""

from __future__ import annotations

from harness.callbacks.run_output import RunLog
from harness.core.fold import Fold
from harness.core.progress import Progress


class StepCounter:
    """Adds the curve `mine/steps` and the file `steps.txt` to the run."""

    def run_started(self, log: RunLog) -> None:
        """Keeps the object that writes to the run."""
        self.log = log

    def __call__(self, fold: Fold, progress: Progress) -> None:
        """Called after each epoch of each fold."""
        self.log.scalar("mine/steps", progress.step)
        self.log.file(f"{progress.step} steps\n".encode(), "steps.txt")
