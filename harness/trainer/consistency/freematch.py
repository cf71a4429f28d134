"""FreeMatch: FixMatch whose thresholds follow the network's own confidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from harness.core.protocol import Augment
from harness.loss.consistency_losses import class_weights, fairness, guess, guessed_cross_entropy
from harness.trainer.consistency.consistency_method import (
    ConsistencyMethod,
    Term,
    require_share,
    require_weight,
    weak,
)


@final
class FreeMatch(ConsistencyMethod):
    """Self-adaptive thresholds, arXiv 2205.07246, equations 5 to 8, and class fairness, equation 11.

    level      () the mean confidence so far: the threshold of the class that is most expected
    expected   (C,) the mean probability of each class so far; a class that is expected less has a
               threshold lower in proportion
    histogram  (C,) the share of the rows that were taken for each class so far

    Args:
        weight: of the term, w_u in the paper.
        fairness: weight of the term by which no class is forgotten, w_f.
        momentum: of the three means, per step, lambda.
    """

    level: Tensor
    expected: Tensor
    histogram: Tensor

    def __init__(self, *, weight: float, fairness: float, momentum: float) -> None:
        super().__init__()
        require_weight(weight=weight, fairness=fairness)
        require_share(momentum=momentum)
        self.weight, self.fairness, self.momentum = weight, fairness, momentum

    def begin(self, classes: int, rows: Tensor) -> None:
        even = torch.full((classes,), 1 / classes, device=rows.device)
        self.register_buffer("level", even[0].clone())
        self.register_buffer("expected", even)
        self.register_buffer("histogram", even.clone())

    def thresholds(self) -> Tensor:
        """(C,) float32, the confidence from which a guess of each class counts now."""
        return self.level * self.expected / self.expected.max()

    def views(self, inputs: Tensor, augment: Augment) -> tuple[Tensor, ...]:
        return augment(inputs), weak(augment, inputs)

    def forward(self, logits: Sequence[Tensor], rows: Tensor, share: float) -> Term:
        del rows, share
        strong, mild = logits
        guessed = guess(mild)
        classes = strong.shape[1]
        ones = torch.ones_like(guessed.confidence)
        self._follow(self.level, guessed.confidence.mean())
        self._follow(self.expected, guessed.probabilities.mean(dim=0))
        self._follow(self.histogram, class_weights(guessed.codes, ones, classes) / len(ones))
        counts = guessed.confidence >= self.thresholds()[guessed.codes]
        # The buffers change again in the next step: the loss holds copies.
        even = fairness(strong, counts, self.expected.clone(), self.histogram.clone())
        loss = self.weight * guessed_cross_entropy(strong, guessed.codes, counts) + self.fairness * even
        return Term(loss, counts.float().mean())

    def _follow(self, mean: Tensor, value: Tensor) -> None:
        mean.lerp_(value, 1 - self.momentum)
