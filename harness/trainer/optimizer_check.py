"""Checks of optimizer, scheduler and validation rows before a training."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from harness.checkpoint.state_tree import flatten
from harness.core.arrays import Loaders
from harness.core.errors import UserError, refused, sentence
from harness.runtime.eager_optimizers import skip_dynamo
from harness.trainer.random_state import copied
from harness.trainer.scheduler import Schedule
from harness.trainer.setting_ranges import check_ranges


def check_optimizer(
    new_optimizer: Callable[..., torch.optim.Optimizer],
    new_scheduler: Callable[..., Any] | None,
    new_schedule: Callable[[torch.optim.Optimizer], Schedule],
    device: torch.device,
) -> Schedule:
    """Checks the numbers of both, takes a step with them on a parameter of their own, and what a checkpoint
    keeps of them.

    Gives the schedule, which knows whether it needs a score.

    Args:
        new_scheduler: the scheduler's class with its arguments, from which `new_schedule` makes the schedule.

    Raises:
        UserError: one of them refuses a value, or cannot train with it.
    """
    check_ranges(new_optimizer, "trainer.optimizer")
    check_ranges(new_scheduler, "trainer.scheduler")
    skip_dynamo()
    parameter = nn.Parameter(torch.zeros(1, device=device))
    parameter.grad = torch.zeros_like(parameter)
    with _refusing("trainer.optimizer", new_optimizer):
        optimizer = new_optimizer([parameter])
        optimizer.step()
        _require_finite_rate(optimizer)
        flatten(copied(optimizer.state_dict()))  # as a checkpoint will
    with _refusing("trainer.scheduler", new_scheduler):
        schedule = new_schedule(optimizer)
        optimizer.step()  # torch wants one between a scheduler's making and its first move
        if schedule.step is not None:
            schedule.step()
        schedule.epoch(0.0)
        flatten(copied(schedule.state_dict()["now"]))
    return schedule


@contextmanager
def _refusing(key: str, make: Callable[..., Any] | None) -> Iterator[None]:
    """Raises the error of a part with our key, which its class does not know."""
    try:
        yield
    except (ArithmeticError, AttributeError, ValueError, TypeError, RuntimeError) as error:
        first, *_ = str(error).splitlines() or [type(error).__name__]
        about_argument = first.partition(" ")[0] in getattr(make, "keywords", {})
        text = refused(key, ValueError(first)) if about_argument else f"{key}: {sentence(first)}"
        raise UserError(text, key=key) from error


def _require_finite_rate(optimizer: torch.optim.Optimizer) -> None:
    rates = [float(group["lr"]) for group in optimizer.param_groups]
    if not all(map(math.isfinite, rates)):
        raise ValueError(f"lr must be finite, got {rates[0]}")


def require_validation_rows(needs_score: bool, patience: int | None, monitor: str, loaders: Loaders) -> None:
    """Whether what waits for a score of the validation rows gets one.

    Raises:
        UserError: the scheduler or the patience waits for it, and there are no such rows.
    """
    for key, waits, remedy in (
        ("trainer.scheduler", needs_score, "choose another trainer/scheduler"),
        ("trainer.patience", patience is not None, "set trainer.patience=null"),
    ):
        if waits and loaders.valid is None:
            raise UserError(
                f"{key} waits for {monitor}, and the split leaves no validation rows",
                f"set split.valid above 0, or {remedy}",
                key=key,
            )
