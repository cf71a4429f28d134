"""FlexMatch: FixMatch whose threshold is lower for a class that is learned slowly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from harness.core.protocol import Augment
from harness.loss.consistency_losses import class_weights, guess, guessed_cross_entropy
from harness.trainer.consistency.consistency_method import (
    ConsistencyMethod,
    Term,
    require_share,
    require_weight,
    weak,
)


@final
class FlexMatch(ConsistencyMethod):
    """Curriculum pseudo labelling, arXiv 2110.08263, equations 5, 6, 11 and 12.

    How well a class is learned is the number of rows that were last taken for it with a confidence of
    `threshold`, over the largest such number, or over that of the rows not yet taken for any.

    rows    (U,) int64, the table rows without labels, sorted
    status  (U,) int64, the class that each was last confidently taken for; -1: none yet

    Args:
        weight: of the term, lambda in the paper.
        threshold: the largest confidence from which a guess counts, tau.
    """

    rows: Tensor
    status: Tensor
    classes: int

    def __init__(self, *, weight: float, threshold: float) -> None:
        super().__init__()
        require_weight(weight=weight)
        require_share(threshold=threshold)
        self.weight, self.threshold = weight, threshold

    def begin(self, classes: int, rows: Tensor) -> None:
        self.classes = classes
        self.register_buffer("rows", rows)
        self.register_buffer("status", torch.full_like(rows, -1))

    def thresholds(self) -> Tensor:
        """(C,) float32, the confidence from which a guess of each class counts now."""
        held = class_weights(self.status + 1, torch.ones_like(self.status).float(), self.classes + 1)
        unused, learned = held[0], held[1:]
        share = learned / torch.maximum(learned.max(), unused)
        return self.threshold * share / (2 - share)

    def views(self, inputs: Tensor, augment: Augment) -> tuple[Tensor, ...]:
        return augment(inputs), weak(augment, inputs)

    def forward(self, logits: Sequence[Tensor], rows: Tensor, share: float) -> Term:
        del share
        strong, mild = logits
        guessed = guess(mild)
        counts = guessed.confidence >= self.thresholds()[guessed.codes]
        places = torch.searchsorted(self.rows, rows)
        sure = guessed.confidence >= self.threshold
        self.status[places] = torch.where(sure, guessed.codes, self.status[places])
        loss = guessed_cross_entropy(strong, guessed.codes, counts)
        return Term(self.weight * loss, counts.float().mean())
