"""Pi-model: the predictions of two random views of a row must be equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import Tensor

from harness.core.protocol import Augment
from harness.loss.consistency_losses import sigmoid_ramp, softmax_distance
from harness.trainer.consistency.consistency_method import (
    ConsistencyMethod,
    Term,
    require_share,
    require_weight,
)


@final
class PiModel(ConsistencyMethod):
    """The Pi-model, arXiv 1610.02242, section 2.1; of rows without labels alone, the paper: of all.

    Args:
        weight: of the term once it has risen, w_max in the paper.
        ramp: the share of the training in which the weight rises.
    """

    def __init__(self, *, weight: float, ramp: float) -> None:
        super().__init__()
        require_weight(weight=weight)
        require_share(ramp=ramp)
        self.weight, self.ramp = weight, ramp

    def views(self, inputs: Tensor, augment: Augment) -> tuple[Tensor, ...]:
        return augment(inputs), augment(inputs)

    def forward(self, logits: Sequence[Tensor], rows: Tensor, share: float) -> Term:
        del rows
        first, second = logits
        return Term(self.weight * sigmoid_ramp(share, self.ramp) * softmax_distance(first, second))
