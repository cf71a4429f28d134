"""A callback of transformers' Trainer that reports a trial to its sweep. It imports transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import TrainerCallback

from harness.core.errors import UserError
from harness.core.near_names import near
from harness.sweep.inside_trial import report


class ReportToSweep(TrainerCallback):  # type: ignore[misc]  # transformers is not installed everywhere
    """Reports a metric after each evaluation, and stops the training where the pruner says so.

    `Trainer(callbacks=[ReportToSweep("eval_loss")])`; the step is the global step.

    Args:
        monitor: the metric, as `evaluate` returns it.
    """

    def __init__(self, monitor: str = "eval_loss") -> None:
        self.monitor = monitor

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Mapping[str, float], **unused: Any
    ) -> None:
        """Called by transformers.

        Raises:
            UserError: the evaluation has no such metric.
        """
        if self.monitor not in metrics:
            rule = f"ReportToSweep: the evaluation has no {self.monitor}"
            raise UserError(rule, near(self.monitor, metrics), key="monitor", value=self.monitor)
        step = int(state.global_step)
        if report(step, metrics[self.monitor], last=step >= state.max_steps):
            control.should_training_stop = True
