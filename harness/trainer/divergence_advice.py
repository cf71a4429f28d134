"""The error of a loss or gradient that became NaN or infinite, with what to try."""

from __future__ import annotations

import math

from harness.core.errors import Diverged
from harness.trainer.update import Update


def require_finite(loss: float, update: Update, step: int, epoch: int, rate: float) -> None:
    """Checks that all steps of an epoch were finite.

    Args:
        loss: the mean of the epoch.
        step: optimizer steps so far.
        rate: the learning rate that the optimizer was made with.

    Raises:
        Diverged: a step was not finite.
    """
    failed = update.failed
    if failed or not math.isfinite(loss):
        first = step - failed + 1 if failed else None
        raise Diverged(advice(loss, first, epoch, rate, update.clip_norm is not None))


def advice(loss: float, step: int | None, epoch: int, rate: float, clipped: bool) -> str:
    """The message of the error: the event, its step and epoch, and the remedy.

    Args:
        loss: the mean of the epoch.
        step: the first that was not finite; None: it is not known.
        epoch: 1 for the first.
        rate: the learning rate that the optimizer was made with.
        clipped: whether gradients were clipped.
    """
    event = "a gradient became NaN or infinite" if math.isfinite(loss) else f"the training loss became {loss}"
    place = f"epoch {epoch}" if step is None else f"step {step}, epoch {epoch}"
    clipping = "" if clipped else " or trainer.update.clip_norm=1"
    return (
        f"{event} in {place} (trainer.optimizer.lr={rate:g}); "
        f"try trainer.optimizer.lr={rate / 10:g}{clipping}, and look for extreme values in the data."
    )
