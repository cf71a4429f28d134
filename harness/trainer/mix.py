"""Mixup and CutMix: each row of a batch is blended with another, inputs and targets alike."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor

from harness.core.errors import UserError


class Mixed(NamedTuple):
    """A mixed batch: inputs (B, *shape).

    partner   (B,) int64, the row that row i was mixed with; None if nothing was mixed
    share     of row i itself, 0 to 1
    """

    inputs: Tensor
    partner: Tensor | None = None
    share: float = 1.0


class Mix(ABC):
    """Blends each row of a batch with another. Random numbers come from torch's global generators.

    Shares are drawn on the CPU, partners on the device, so that no step waits for the device.
    """

    @abstractmethod
    def check(self, shape: tuple[int, ...]) -> None:
        """Raises UserError if samples of this shape cannot be mixed in this way."""

    @abstractmethod
    def __call__(self, inputs: Tensor) -> Mixed:
        """Mixes inputs (B, *shape), which are augmented already; the tensor itself is not changed."""


@final
class Unmixed(Mix):
    """No mixing."""

    def check(self, shape: tuple[int, ...]) -> None:
        """Accepts any shape."""

    def __call__(self, inputs: Tensor) -> Mixed:
        return Mixed(inputs)


class Shares:
    """Draws the share of the row itself: Beta(alpha, alpha) in `probability` of the batches, else 1.

    Raises:
        ValueError: alpha is not above 0, or probability is outside (0, 1].
    """

    def __init__(self, alpha: float, probability: float) -> None:
        if not alpha > 0:
            raise ValueError(f"alpha must be above 0, got {alpha}")
        if not 0 < probability <= 1:
            raise ValueError(f"probability must be above 0 and at most 1, got {probability}")
        self._beta = torch.distributions.Beta(alpha, alpha)
        self._probability = probability

    def draw(self) -> float:
        """0 to 1, on the CPU."""
        if self._probability < 1 and torch.rand(()).item() >= self._probability:
            return 1.0
        return float(self._beta.sample().item())


@final
class Mixup(Mix):
    """Row i becomes s * row i + (1 - s) * row j, one s per batch (arXiv 1710.09412, eq. 1).

    Args:
        alpha: of Beta(alpha, alpha), which draws s.
        probability: share of the batches that are mixed.
    """

    def __init__(self, *, alpha: float, probability: float) -> None:
        self._shares = Shares(alpha, probability)

    def check(self, shape: tuple[int, ...]) -> None:
        """Accepts any shape."""

    def __call__(self, inputs: Tensor) -> Mixed:
        share = self._shares.draw()
        if share == 1:
            return Mixed(inputs)
        partner = torch.randperm(len(inputs), device=inputs.device)
        return Mixed(torch.lerp(inputs[partner], inputs, share), partner, share)


@final
class CutMix(Mix):
    """A rectangle of image j replaces that of image i, one rectangle per batch (arXiv 1905.04899, eq. 1).

    Its sides are a share sqrt(1 - s) of the image's, its centre is uniform over the image. The rectangle is
    cut at the border, and the returned share is that of the pixels that were not replaced.

    Args:
        alpha: of Beta(alpha, alpha), which draws s.
        probability: share of the batches that are mixed.
    """

    def __init__(self, *, alpha: float, probability: float) -> None:
        self._shares = Shares(alpha, probability)

    def check(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 3:
            raise UserError(
                "trainer/mix=cutmix puts a rectangle of one image into another, and samples are of shape "
                f"{shape}",
                "use trainer/mix=mixup, or trainer/mix=none",
            )

    def __call__(self, inputs: Tensor) -> Mixed:
        share = self._shares.draw()
        if share == 1:
            return Mixed(inputs)
        height, width = inputs.shape[-2:]
        top, bottom = _extent(height, share)
        left, right = _extent(width, share)
        partner = torch.randperm(len(inputs), device=inputs.device)
        mixed = inputs.clone()
        mixed[..., top:bottom, left:right] = inputs[partner, ..., top:bottom, left:right]
        return Mixed(mixed, partner, 1 - (bottom - top) * (right - left) / (height * width))


def check_codes(mix: Mix, codes: Sequence[int]) -> None:
    """Checks that rows with such codes can be mixed: a code between two is that of a third category.

    Raises:
        UserError: they cannot.
    """
    if codes and not isinstance(mix, Unmixed):
        raise UserError(
            f"trainer/mix blends rows, and {len(codes)} of their features are codes of categories",
            "use trainer/mix=none, or set data.transform.one_hot_up_to=null",
            key="trainer.mix",
        )


def _extent(side: int, share: float) -> tuple[int, int]:
    """First and last index (exclusive) of the rectangle along a side."""
    length = int(side * math.sqrt(1 - share))
    begin = int(torch.randint(side, ()).item()) - length // 2
    return max(begin, 0), min(begin + length, side)
