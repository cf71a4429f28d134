"""The errors of a trial: which of them another try may avoid, and how they are described."""

from __future__ import annotations

from harness.core.error_text import described, error_text
from harness.core.errors import Diverged, Pruned, UserError
from harness.sweep.study.objectives import UndefinedScore
from harness.sweep.worker.trial_assignment import TimedOut

COMMON_ERRORS = (Pruned, Diverged, TimedOut, UserError, UndefinedScore)
"""Errors that all processes of torchrun raise at the same step."""


_LASTING_ERRORS = (UserError, Diverged, TimedOut, UndefinedScore)
"""Errors that another try would repeat; their messages are for the user as they are."""


def described_failure(error: Exception) -> str:
    return error_text(error) if isinstance(error, _LASTING_ERRORS) else described(error)


def may_pass_next_time(error: Exception) -> bool:
    """Whether another try from the checkpoint could end differently."""
    return not isinstance(error, _LASTING_ERRORS)
