"""A linear classifier on the detached representation, trained beside the model."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn
from torch.nn.functional import cross_entropy


@final
class Probe(nn.Module):
    """Learns classes of the detached, standardised representation, to show how a training goes.

    Args:
        width: D, of the representation.
        classes: C.
    """

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width, affine=False)
        self.linear = nn.Linear(width, classes)

    def forward(self, representation: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Mean cross-entropy and accuracy of the labelled rows, 0 where there are none.

        Args:
            representation: (B, D); its gradient is cut off here.
            targets: (B,) int64 codes, -1 for unlabelled.
        """
        logits = self.linear(self.norm(representation.detach())).float()
        labelled = (targets >= 0).sum().clamp(min=1)
        loss = cross_entropy(logits, targets, ignore_index=-1, reduction="sum") / labelled
        right = (logits.argmax(dim=1) == targets).sum() / labelled
        return loss, right
