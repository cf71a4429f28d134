"""The optimizer step: accumulation, loss scaling, clipping, skipping of bad steps, averaged weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, final

import torch
from torch import Tensor, nn

from harness.trainer.adam_kernel import step_of

_FIRST_SCALE, _GROWTH, _BACKOFF, _INTERVAL = 2.0**16, 2.0, 0.5, 2000
"""Dynamic loss scaling as in arXiv 1710.03740, section 3.2, with torch's own constants."""

_SMALLEST_SCALE = 2.0**-10
"""Below it the loss itself, not its scale, is what overflows."""


@final
class Update:
    """One optimizer step: gradients are accumulated, unscaled, checked and clipped, weights are averaged.

    A step whose gradient is not finite changes nothing. It is counted on the device, so that the program
    does not wait for the device. An optimizer that can skip a step on the device (torch's fused ones) does
    so. For others Python decides, and on a GPU it waits for the device at each step.

    Args:
        accumulate: batches whose gradients are averaged for one optimizer step.
        clip_norm: largest 2-norm of the gradient of all parameters together; None: no clipping.
        ema: decay per step of a moving average of the weights. The average is validated, kept and
            evaluated. The decay of step t is at most (1 + t) / (10 + t). None: no average.
        skip: how many steps with a gradient that is not finite are skipped before the training ends.
            With fp16 a step that overflows is not counted: the scale of the loss is lowered.

    Raises:
        ValueError: a value is out of range.
    """

    def __init__(self, *, accumulate: int, clip_norm: float | None, ema: float | None, skip: int) -> None:
        if accumulate < 1:
            raise ValueError(f"accumulate must be 1 or more batches, got {accumulate}")
        if clip_norm is not None and not clip_norm > 0:
            raise ValueError(f"clip_norm must be above 0 or null, got {clip_norm}")
        if ema is not None and not 0 < ema < 1:
            raise ValueError(f"ema must be between 0 and 1, or null, got {ema}")
        if skip < 0:
            raise ValueError(f"skip must be 0 or more steps, got {skip}")
        self.accumulate = accumulate
        self.clip_norm = clip_norm
        self.skip = skip
        self._decay = ema

    def attach(
        self,
        parameters: Iterable[nn.Parameter],
        optimizer: torch.optim.Optimizer,
        kept: nn.Module,
        device: torch.device,
        scaled: bool,
    ) -> None:
        """Begins a training.

        Args:
            parameters: those that the optimizer changes.
            kept: whose weights and buffers are averaged.
            scaled: whether the loss is scaled, for gradients in float16.
        """
        self._parameters = list(parameters)
        self._optimizer = optimizer
        self._step = step_of(optimizer)
        self._nonfinite = torch.zeros((), device=device)
        self._unscale = torch.ones((), device=device)
        self._bad: Tensor | int = 0
        self._scale = torch.full((), _FIRST_SCALE, device=device) if scaled else None
        self._growth = torch.zeros((), dtype=torch.int32, device=device)
        skips = getattr(optimizer, "_step_supports_amp_scaling", False)
        self._skips_on_device = skips and is_asynchronous(device)
        if self._skips_on_device:
            fused: Any = optimizer  # its `step` reads these attributes
            fused.found_inf, fused.grad_scale = self._nonfinite, None
        self._live = _tensors(kept)
        self._average = None if self._decay is None else [t.detach().clone() for t in self._live]
        pairs = list(zip(self._average or (), self._live, strict=False))
        numbers = [pair for pair in pairs if pair[0].is_floating_point()]
        self._moving = [slow for slow, _ in numbers], [live for _, live in numbers]
        self._counters = [pair for pair in pairs if not pair[0].is_floating_point()]  # a norm's batches
        self._steps = 0

    def backward(self, loss: Tensor, count: int = 1) -> None:
        """Adds the gradient of a loss to the mean over `count` losses."""
        if count > 1:
            loss = loss / count
        if self._scale is not None:
            loss = loss * self._scale
        loss.backward()  # type: ignore[no-untyped-call]

    def step(self) -> None:
        """Updates the weights by the gradients accumulated so far, and clears these."""
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        if self._scale is not None:
            self._unscale = self._scale.double().reciprocal().float()
        # One kernel: unscales, and sets `_nonfinite` to 1 if any value is not finite.
        torch._amp_foreach_non_finite_check_and_unscale_(gradients, self._nonfinite, self._unscale)
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(self._parameters, self.clip_norm)
        if self._skips_on_device:
            self._optimizer.step()
            self._count_on_the_device()
        elif self._nonfinite.item() == 0:
            self._step()
        else:
            self._count()
        for parameter in self._parameters:
            parameter.grad = None
        if self._scale is not None:
            torch._amp_update_scale_(self._scale, self._growth, self._nonfinite, _GROWTH, _BACKOFF, _INTERVAL)
            self._nonfinite.zero_()
        if self._average is not None:
            self._follow()

    @property
    def may_step(self) -> bool:
        """Whether the next step may change the weights: no more than `skip` steps were bad."""
        return int(self._bad) <= self.skip

    def record(self, finite: bool) -> None:
        """Records a step that other code took with these weights (`harness.trainer.fused`).

        Args:
            finite: whether it changed the weights, because its gradient was finite and `may_step` held.
        """
        if not finite:
            self._nonfinite.fill_(1.0)
            self._count()
        if self._average is not None:
            self._follow()

    def _count(self) -> None:
        """Counts a bad step in Python; after more than `skip` of them `_nonfinite` stays set."""
        self._bad += 1
        if int(self._bad) <= self.skip:
            self._nonfinite.zero_()

    def _count_on_the_device(self) -> None:
        if self._scale is None:
            self._bad = self._bad + self._nonfinite
            if self.skip:
                self._nonfinite.copy_(self._bad > self.skip)

    @property
    def averages(self) -> bool:
        """Whether the weights that are validated and kept are an average of the trained weights."""
        return self._decay is not None

    @property
    def skipped(self) -> int:
        """Number of steps skipped so far, also those beyond `skip`."""
        return int(self._bad)

    @property
    def failed(self) -> int:
        """How many steps ago, this one included, the training failed; 0 if it did not."""
        if self._scale is not None:
            return int(self._scale.item() < _SMALLEST_SCALE)
        return max(0, int(self._bad) - self.skip)

    @torch.no_grad()
    def _follow(self) -> None:
        self._steps += 1
        assert self._decay is not None
        share = 1 - min(self._decay, (1 + self._steps) / (10 + self._steps))
        torch._foreach_lerp_(*self._moving, share)
        for slow, live in self._counters:
            slow.copy_(live)

    def averaged(self) -> AbstractContextManager[None]:
        """Within this context the network has its averaged weights if `ema` is set."""
        return nullcontext() if self._average is None else self._exchanged()

    @contextmanager
    def _exchanged(self) -> Iterator[None]:
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        for slow, live in zip(self._average or (), self._live, strict=self._average is not None):
            kept = live.clone()
            live.copy_(slow)
            slow.copy_(kept)

    def state_dict(self) -> dict[str, Any]:
        return {
            "bad": int(self._bad),
            "scale": self._scale,
            "growth": self._growth,
            "average": self._average,
            "steps": self._steps,
        }

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._bad, self._steps = int(state["bad"]), int(state["steps"])
        if self._scale is not None and state["scale"] is not None:
            self._scale.copy_(state["scale"])
            self._growth.copy_(state["growth"])
        if self._scale is None:
            self._nonfinite.fill_(float(self._bad > self.skip))
        for slow, saved in zip(self._average or (), state["average"] or (), strict=True):
            slow.copy_(saved)


def _tensors(network: nn.Module) -> list[Tensor]:
    """Its weights and buffers, each of them once, also where two layers share it."""
    state = network.state_dict(keep_vars=True).values()
    return list({id(value): value for value in state if isinstance(value, Tensor)}.values())


def is_asynchronous(device: torch.device) -> bool:
    """Whether a program that reads a number from the device waits for the device."""
    return device.type != "cpu"
