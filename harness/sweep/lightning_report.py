"""A callback of Lightning that reports a trial's progress to its sweep. It imports Lightning."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback

from harness.core.errors import UserError
from harness.core.near_names import near
from harness.sweep.inside_trial import report


class ReportToSweep(Callback):  # type: ignore[misc]  # Lightning is not installed everywhere
    """Reports a logged metric after each validation, and stops the training where the pruner says so.

    `Trainer(callbacks=[ReportToSweep("val/loss")])`; the step is the epoch, from 1.

    Args:
        monitor: the metric, as the module logs it.
    """

    def __init__(self, monitor: str) -> None:
        self.monitor = monitor

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Called by Lightning.

        Raises:
            UserError: the module has not logged the metric.
        """
        if trainer.sanity_checking:
            return
        known = trainer.callback_metrics
        if self.monitor not in known:
            rule = f"ReportToSweep: the module has not logged {self.monitor}"
            raise UserError(rule, near(self.monitor, known), key="monitor", value=self.monitor)
        epoch = trainer.current_epoch + 1
        if report(epoch, known[self.monitor], last=epoch == trainer.max_epochs):
            trainer.should_stop = True
