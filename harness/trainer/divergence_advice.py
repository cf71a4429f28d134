"""Divergence: what to try where a loss or its gradient became NaN or infinite."""

from __future__ import annotations

import math


def advice(loss: float, step: int | None, epoch: int, rate: float, clipped: bool) -> str:
    """What happened, where, and what to do about it.

    Args:
        loss: the mean of the epoch.
        step: the first that was not finite; None: it is not known.
        epoch: 1 for the first.
        rate: the optimizer's own.
        clipped: whether gradients were.
    """
    what = "a gradient became NaN or infinite" if math.isfinite(loss) else f"the training loss became {loss}"
    place = f"epoch {epoch}" if step is None else f"step {step}, epoch {epoch}"
    clipping = "" if clipped else " or trainer.update.clip_norm=1"
    return (
        f"{what} in {place} (trainer.optimizer.lr={rate:g}); "
        f"try trainer.optimizer.lr={rate / 10:g}{clipping}, and look for extreme values in the data."
    )
