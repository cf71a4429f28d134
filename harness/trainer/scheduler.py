"""Learning-rate schedules: torch's own by name, and warm-up with cosine decay."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, final

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from harness.core.errors import UserError
from harness.core.scores import Direction, direction
from harness.trainer.random_state import copied
from harness.trainer.starting_settings import Groups, resumed_state

_LENGTHS = ("T_max", "total_iters")
"""What torch's schedulers call their length, after which they end."""

When = Literal["never", "step", "epoch", "score"]


@final
class WarmupCosine:
    """Linear warm-up to the optimizer's rate, then a cosine down to `final` of it.

    With W = round(warmup * total_steps), step s (0 for the first) is taken at the rate times
    (s + 1) / W while s < W, and then times final + (1 - final) * (1 + cos(pi (s - W) / (T - W))) / 2
    for T = total_steps: SGDR without restarts (arXiv 1608.03983, eq. 5) after a gradual warm-up
    (arXiv 1706.02677, section 2.2).

    Args:
        total_steps: optimizer steps of the whole training; given by the trainer.
        warmup: share of those steps that warm up, at least 0 and below 1.
        final: the last rate as a share of the first, 0 to 1.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, *, total_steps: int, warmup: float, final: float
    ) -> None:
        if not 0 <= warmup < 1:
            raise ValueError(f"warmup must be a share of the steps, at least 0 and below 1, got {warmup}")
        if not 0 <= final <= 1:
            raise ValueError(f"final must be a share of the learning rate, 0 to 1, got {final}")
        self._rising = round(warmup * total_steps)
        self._falling = max(total_steps - self._rising, 1)
        self._final = final
        # The groups are read at each move: an optimizer that loads a state makes new ones.
        self._optimizer = optimizer
        self._rates = [float(group["lr"]) for group in optimizer.param_groups]
        self._move_to(0)

    def step(self) -> None:
        """Moves on by one optimizer step."""
        self._move_to(self._steps + 1)

    def _move_to(self, step: int) -> None:
        self._steps = step
        if step < self._rising:
            factor = (step + 1) / self._rising
        else:
            fallen = min((step - self._rising) / self._falling, 1.0)
            factor = self._final + (1 - self._final) * 0.5 * (1 + math.cos(math.pi * fallen))
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._move_to(int(state["steps"]))


@final
class Schedule:
    """A scheduler, and after what a training moves it: each step, each epoch, or each score.

    `step` must be called after every optimizer step; None if nothing moves then. Loading a state restores
    the position in the schedule; the settings of optimizer and scheduler stay those of this training.
    """

    def __init__(self, scheduler: Any, when: When, optimizer: torch.optim.Optimizer) -> None:
        self._scheduler = scheduler
        self._when = when
        self._groups = Groups(optimizer)
        self._optimizer = optimizer
        self._rates = [copied(group["lr"]) for group in optimizer.param_groups]
        self._initial = copied(self._now())
        self.step: Callable[[], None] | None = scheduler.step if when == "step" else None

    @property
    def needs_score(self) -> bool:
        """Whether it moves only with a monitored score."""
        return self._when == "score"

    def epoch(self, score: float | None) -> None:
        """Moves a scheduler of epochs; must be called after every epoch, with the monitored score if any."""
        if self._when == "epoch":
            self._scheduler.step()
        elif self._when == "score" and score is not None:
            self._scheduler.step(score)

    def state_dict(self) -> dict[str, Any]:
        return {"groups": self._groups.state_dict(), "begun": self._initial, "now": self._now()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Must be called after the optimizer has loaded its state."""
        self._groups.load_state_dict(state["groups"])
        own = resumed_state(state["begun"], state["now"], copied(self._initial))
        if any(state["begun"].get(key) != self._initial.get(key) for key in _LENGTHS):
            self._move_from_start(int(own["last_epoch"]))
        elif self._scheduler is not None:
            self._scheduler.load_state_dict(own)

    def _move_from_start(self, moves: int) -> None:
        """Takes all moves so far again, as a schedule of this length.

        These schedulers of torch compute each rate from the one before: from the end of a shorter cosine,
        where the rate is 0, it would stay 0.
        """
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = copied(rate)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that no step of the optimizer came before
            for _ in range(moves):
                self._scheduler.step()

    def _now(self) -> dict[str, Any]:
        return {} if self._scheduler is None else dict(self._scheduler.state_dict())


def schedule(
    new: Callable[..., Any] | None,
    optimizer: torch.optim.Optimizer,
    total_steps: int,
    monitor: str,
    better: Direction | None = None,
) -> Schedule:
    """The scheduler that a node describes, moved as often as its kind requires.

    A scheduler with the argument `total_steps` (OneCycleLR, `WarmupCosine`) gets the number of steps and
    moves after every optimizer step. All others of torch move once per epoch; ReduceLROnPlateau gets the
    monitored score and its direction (`better`; None: it follows from the name).

    Groups that learn at a share of the rate ("factor") keep that share, also under a scheduler with
    absolute rates, such as OneCycleLR's `max_lr`.

    Raises:
        ValueError: the node sets what the trainer sets, or the scheduler refuses a value.
        UserError: it sets the same rate for all groups.
    """
    if new is None:
        return Schedule(None, "never", optimizer)
    shares = [float(group.get("factor", 1.0)) for group in optimizer.param_groups]
    new = _for_each_group(new, shares)
    made = _make(new, optimizer, total_steps, monitor, better or direction(monitor))
    _require_shares(optimizer, shares)
    return made


def _make(
    new: Callable[..., Any],
    optimizer: torch.optim.Optimizer,
    total_steps: int,
    monitor: str,
    better: Direction,
) -> Schedule:
    if "total_steps" in inspect.signature(new).parameters:
        _refuse_given(new, "total_steps", "trainer.epochs and data.load.batch_size")
        return Schedule(new(optimizer, total_steps=total_steps), "step", optimizer)
    made = getattr(new, "func", new)
    if inspect.isclass(made) and issubclass(made, ReduceLROnPlateau):
        _refuse_given(new, "mode", f"the score {monitor}")
        mode = "max" if better == "maximize" else "min"
        return Schedule(new(optimizer, mode=mode), "score", optimizer)
    return Schedule(new(optimizer), "epoch", optimizer)


def _for_each_group(new: Callable[..., Any], shares: list[float]) -> Callable[..., Any]:
    """The scheduler with its absolute rates, such as OneCycleLR's `max_lr`, as each group's share of them."""
    given = getattr(new, "keywords", {})
    rates = {name: given[name] for name in ("max_lr", "base_lr") if isinstance(given.get(name), int | float)}
    if not rates or set(shares) == {1.0}:
        return new
    return partial(new, **{name: [rate * share for share in shares] for name, rate in rates.items()})


def _require_shares(optimizer: torch.optim.Optimizer, shares: list[float]) -> None:
    """Raises UserError where the scheduler set the groups' rates without regard to their shares."""
    rates = [float(group["lr"]) / share for group, share in zip(optimizer.param_groups, shares, strict=True)]
    equal_shares = len(set(shares)) == 1
    if not equal_shares and not all(math.isclose(rate, rates[0], rel_tol=1e-6) for rate in rates):
        raise UserError(
            "trainer.scheduler must keep the share of the rate that trainer.layers.decay gives each layer, "
            "and this one sets rates of its own",
            "choose another trainer/scheduler, or trainer.layers.decay=1",
            key="trainer.scheduler",
        )


def _refuse_given(new: Callable[..., Any], name: str, source: str) -> None:
    given = getattr(new, "keywords", {})
    if name in given:
        raise ValueError(f"{name} must be left out, since it follows from {source}, got {given[name]!r}")
