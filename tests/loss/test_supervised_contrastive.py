"""The supervised contrastive loss is that of pytorch-metric-learning, which torch cannot vectorise."""

from __future__ import annotations

import pytest
import torch
from pytorch_metric_learning.losses import SupConLoss

from harness.loss.supervised_contrastive import supervised_contrastive

LABELS = {
    "two views": torch.arange(6).repeat(2),
    "classes": torch.tensor([0, 1, 2, 0, 1, 1, 0, 1, 2, 0, 1, 1]),
    "rows that belong with no other": torch.tensor([0, 1, 2, 0, 3, 4, 5, 1, 2, 0, 6, 1]),
    "no two rows belong together": torch.arange(12),
    "all rows belong together": torch.zeros(12, dtype=torch.long),
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_values_and_gradients_are_those_of_the_library(labels: torch.Tensor) -> None:
    embeddings = torch.randn(12, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = []
    for loss in (
        lambda rows: supervised_contrastive(rows, labels, temperature=0.2),
        lambda rows: SupConLoss(temperature=0.2)(rows, labels),
    ):
        rows = embeddings.clone().requires_grad_()
        value = loss(rows)
        value.backward()
        assert rows.grad is not None
        found.append((value.detach(), rows.grad))
    torch.testing.assert_close(found[0][0], found[1][0].double(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-12, atol=1e-12)
    assert bool(found[0][0] > 0) is (labels.unique().numel() not in (1, 12))


def test_a_row_whose_loss_is_zero_does_not_count() -> None:
    """Its positive is so near, and all else so far, that the logarithm of its share is 0."""
    angles = torch.tensor([0.0, 0.0, 3.1, 0.5])
    rows = torch.stack([angles.cos(), angles.sin()], dim=1)
    labels = torch.tensor([0, 0, 1, 1])
    found = supervised_contrastive(rows, labels, temperature=0.001)
    torch.testing.assert_close(found, SupConLoss(temperature=0.001)(rows, labels))
    assert found > 1700  # the loss of the last row alone
