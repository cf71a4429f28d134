"""Cross-entropy with smoothed labels, for two and for several classes."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn
from torch.nn import functional


@final
class SmoothedCrossEntropy(nn.Module):
    """The cross-entropy with targets of which a share is spread evenly over all classes.

    Szegedy et al. 2015 (arXiv 1512.00567, section 7). (B, C) logits and (B,) codes; or (B,) logits and
    0 or 1 of two classes, which give what two logits (0, z) would; (B, C) labels are two classes each.

    Args:
        label_smoothing: the share, at least 0 and below 1.

    Raises:
        ValueError: it is out of range.
    """

    def __init__(self, *, label_smoothing: float) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must be at least 0 and below 1, got {label_smoothing}")
        self.label_smoothing = label_smoothing

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean over the rows, a scalar."""
        if outputs.ndim > targets.ndim:
            return functional.cross_entropy(outputs, targets, label_smoothing=self.label_smoothing)
        smoothed = targets * (1 - self.label_smoothing) + self.label_smoothing / 2
        return functional.binary_cross_entropy_with_logits(outputs, smoothed)
