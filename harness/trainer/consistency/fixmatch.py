"""FixMatch: a confident prediction of a weakly augmented view is the label of a strongly augmented one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import Tensor

from harness.core.protocol import Augment
from harness.loss.consistency_losses import guess, guessed_cross_entropy
from harness.trainer.consistency.consistency_method import (
    ConsistencyMethod,
    Term,
    require_share,
    require_weight,
    weak,
)


@final
class FixMatch(ConsistencyMethod):
    """arXiv 2001.07685, equation 4.

    Args:
        weight: of the term, lambda_u in the paper.
        threshold: confidence from which a guess counts, tau.
    """

    def __init__(self, *, weight: float, threshold: float) -> None:
        super().__init__()
        require_weight(weight=weight)
        require_share(threshold=threshold)
        self.weight, self.threshold = weight, threshold

    def views(self, inputs: Tensor, augment: Augment) -> tuple[Tensor, ...]:
        return augment(inputs), weak(augment, inputs)

    def forward(self, logits: Sequence[Tensor], rows: Tensor, share: float) -> Term:
        del rows, share
        strong, mild = logits
        guessed = guess(mild)
        counts = guessed.confidence >= self.threshold
        loss = guessed_cross_entropy(strong, guessed.codes, counts)
        return Term(self.weight * loss, counts.float().mean())
