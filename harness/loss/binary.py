"""Binary cross-entropy whose targets may be softened."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn


@final
class BinaryCrossEntropy(nn.BCEWithLogitsLoss):
    """Mean binary cross-entropy of logits and 0 or 1, both (B,), or (B, C) of labels beside each other.

    Smoothing moves 1 to 1 - s / 2 and 0 to s / 2: what label smoothing (arXiv 1512.00567, section 7) is
    for two classes, so that a target of two classes may be written either way.

    weight       rescales each element, (C,) or a scalar; None: 1
    pos_weight   rescales the part of a 1, (C,) or a scalar; None: 1

    Args:
        label_smoothing: s, the share of the target that is spread evenly over both answers.

    Raises:
        ValueError: it is outside [0, 1).
    """

    def __init__(self, *, label_smoothing: float) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must be at least 0 and below 1, got {label_smoothing}")
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        if self.label_smoothing:
            target = target * (1 - self.label_smoothing) + self.label_smoothing / 2
        return super().forward(input, target)
