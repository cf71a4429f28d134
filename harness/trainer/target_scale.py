"""Scales on which numbers to predict are learned: their logarithm, or their quantiles.

A scale computes in the precision of the targets, and is a part of the head: what it has learned from the
training targets is stored with the weights, and an exported graph contains its inverse.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from statistics import NormalDist
from typing import final

import torch
from torch import Tensor

from harness.core.task import Scale
from harness.trainer.stored_precision import StoredPrecision

_LARGEST = 345.0
"""log(1e150), the largest target: beyond it the square of an error would not be finite."""

_KNOTS = 101
_CHUNK = 65_536


class TargetScale(StoredPrecision, ABC):
    """Numbers in the target's unit -> numbers on the scale on which they are learned, and back.

    Both have the shape (..., *targets): () of one target, (T,) of several.
    """

    def fit_targets(self, targets: Tensor) -> None:
        """Learns from the training targets, (n,) or (n, T)."""

    @abstractmethod
    def forward(self, values: Tensor) -> Tensor:
        """From the target's unit to the scale."""

    @abstractmethod
    def inverse(self, values: Tensor) -> Tensor:
        """From the scale to the target's unit."""


@final
class LogScale(TargetScale):
    """y -> log(1 + y), for targets of at least 0; no prediction is below 0 either."""

    def forward(self, values: Tensor) -> Tensor:
        return values.log1p()

    def inverse(self, values: Tensor) -> Tensor:
        return values.clamp(0, _LARGEST).expm1()


@final
class QuantileScale(TargetScale):
    """y -> the quantile of a standard normal distribution that has y's rank among the training targets.

    Linear between 101 of the n training targets, evenly spread over the ranks 0.5/n … 1 - 0.5/n. A value that
    many rows share is at the middle of their ranks. Beyond the training targets both directions are constant,
    so that no prediction leaves their range.
    """

    values: Tensor
    quantiles: Tensor

    def __init__(self, targets: int) -> None:
        super().__init__()
        shape = (_KNOTS,) if targets == 1 else (_KNOTS, targets)
        self.register_buffer("values", torch.zeros(shape))
        self.register_buffer("quantiles", torch.zeros(_KNOTS))

    def fit_targets(self, targets: Tensor) -> None:
        least = 0.5 / max(len(targets), 2)
        ranks = [least + (1 - 2 * least) * place / (_KNOTS - 1) for place in range(_KNOTS)]
        normal = NormalDist()
        self.quantiles = torch.tensor(
            [normal.inv_cdf(rank) for rank in ranks], dtype=targets.dtype, device=targets.device
        )
        ordered = targets.sort(dim=0).values
        # The i-th in order has the rank (i + 0.5) / n. torch.quantile takes 16 million values at most.
        places = torch.tensor(ranks, dtype=torch.float64, device=targets.device) * len(targets) - 0.5
        low = places.floor().long().clamp(0, len(targets) - 1)
        high = (low + 1).clamp(max=len(targets) - 1)
        share = (places - low).clamp(0, 1).to(targets.dtype).reshape(-1, *[1] * (targets.ndim - 1))
        self.values = torch.lerp(ordered[low], ordered[high], share)

    def forward(self, values: Tensor) -> Tensor:
        parts = (
            [self._rank(part) for part in torch.split(values, _CHUNK)]
            if values.ndim
            else [self._rank(values)]
        )
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _rank(self, values: Tensor) -> Tensor:
        low, steps = self.values[:-1], self.values.diff(dim=0)
        above = values.unsqueeze(-1 - low[0].ndim) - low
        inside = torch.where(
            steps > 0, (above / torch.where(steps > 0, steps, 1)).clamp(0, 1), (above.sign() + 1) / 2
        )
        return self.quantiles[0] + (inside * self._along(self.quantiles.diff(), low)).sum(
            dim=-1 - low[0].ndim
        )

    def inverse(self, values: Tensor) -> Tensor:
        low = self._along(self.quantiles[:-1], self.values)
        steps = self._along(self.quantiles.diff(), self.values)
        inside = ((values.unsqueeze(-self.values.ndim) - low) / steps).clamp(0, 1)
        return self.values[0] + (inside * self.values.diff(dim=0)).sum(dim=-self.values.ndim)

    @staticmethod
    def _along(quantiles: Tensor, like: Tensor) -> Tensor:
        """(K,) -> (K,), or (K, 1) beside values of several targets."""
        return quantiles if like.ndim == 1 else quantiles.unsqueeze(-1)


def scale_of(name: Scale, targets: int) -> TargetScale | None:
    """The scale of that name for a number of targets; None of "none"."""
    if name == "log":
        return LogScale()
    return QuantileScale(targets) if name == "quantile" else None
