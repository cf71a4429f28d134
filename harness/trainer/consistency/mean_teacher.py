"""Mean Teacher: predictions must match those of a moving average of the network on another view."""

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
class MeanTeacher(ConsistencyMethod):
    """arXiv 1703.01780, section 2; of rows without labels alone, the paper: of all.

    In the paper the teacher predicts as well. So it does here where `trainer.update.ema` is the decay,
    as it is by default: that average of the weights is the teacher's own, and what is validated and kept.

    Args:
        weight: of the term once it has risen.
        ramp: the share of the training in which the weight rises.
        decay: of the teacher's weights, per step.
    """

    def __init__(self, *, weight: float, ramp: float, decay: float) -> None:
        super().__init__()
        require_weight(weight=weight)
        require_share(ramp=ramp)
        if not 0 < decay < 1:
            raise ValueError(f"decay must be between 0 and 1, got {decay}")
        self.weight, self.ramp, self.decay = weight, ramp, decay

    def views(self, inputs: Tensor, augment: Augment) -> tuple[Tensor, ...]:
        return augment(inputs), augment(inputs)

    def forward(self, logits: Sequence[Tensor], rows: Tensor, share: float) -> Term:
        del rows
        student, teacher = logits
        return Term(
            self.weight * sigmoid_ramp(share, self.ramp) * softmax_distance(student, teacher.detach())
        )
