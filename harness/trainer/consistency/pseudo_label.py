"""Pseudo-Label: the predicted class of a row is its label, with a weight that rises during the training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import Tensor

from harness.core.protocol import Augment
from harness.loss.consistency_losses import guess, guessed_cross_entropy, linear_ramp
from harness.trainer.consistency.consistency_method import (
    ConsistencyMethod,
    Term,
    require_share,
    require_weight,
    weak,
)


@final
class PseudoLabel(ConsistencyMethod):
    """Lee, Pseudo-Label, ICML 2013 workshop on challenges in representation learning, equations 14 to 16.

    Args:
        weight: of the term once it has risen, alpha_f in the paper.
        ramp: [begin, end], shares of the training between which the weight rises from 0 to `weight`.
        threshold: confidence from which a guess counts; 0, as in the paper: every guess does.
    """

    def __init__(self, *, weight: float, ramp: list[float], threshold: float) -> None:
        super().__init__()
        require_weight(weight=weight)
        require_share(threshold=threshold)
        if len(ramp) != 2 or not 0 <= ramp[0] < ramp[1] <= 1:
            raise ValueError(f"ramp must be [begin, end] with 0 <= begin < end <= 1, got {ramp}")
        self.weight, self.threshold = weight, threshold
        self.rise, self.risen = ramp

    def views(self, inputs: Tensor, augment: Augment) -> tuple[Tensor, ...]:
        return (weak(augment, inputs),)

    def forward(self, logits: Sequence[Tensor], rows: Tensor, share: float) -> Term:
        del rows
        (own,) = logits
        guessed = guess(own)
        counts = guessed.confidence >= self.threshold
        weight = self.weight * linear_ramp(share, self.rise, self.risen)
        return Term(weight * guessed_cross_entropy(own, guessed.codes, counts), counts.float().mean())
