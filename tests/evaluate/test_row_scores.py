"""harness/evaluate/row_scores.py"""

from __future__ import annotations

import math

import pytest
import torch

from harness.core.task import Task
from harness.evaluate.row_scores import difference_interval

NORMAL = 1.959963984540054
CLASSES = Task("multiclass", ("a", "b"))


def test_accuracy_and_log_loss_are_paired_by_row() -> None:
    own = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]], dtype=torch.float64).log()
    other = torch.tensor([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9], [0.5, 0.5]], dtype=torch.float64).log()
    targets = torch.tensor([0, 1, 1, 0])
    found = difference_interval(own, other, targets, CLASSES)
    gaps = torch.tensor([0.0, -1.0, 1.0, 0.0])
    half = NORMAL * gaps.std().item() / 2
    assert found["accuracy"] == pytest.approx((-half, half))
    losses = torch.tensor([0.9 / 0.8, 0.8 / 0.4, 0.4 / 0.9, 0.7 / 0.5]).log()
    half = NORMAL * losses.std().item() / 2
    middle = losses.mean().item()
    assert found["log_loss"] == pytest.approx((middle - half, middle + half), abs=1e-6)


@pytest.mark.parametrize("shape", [(2000,), (2000, 2)])
def test_that_of_the_rmse_agrees_with_the_bootstrap(shape: tuple[int, ...]) -> None:
    random = torch.Generator().manual_seed(0)
    targets = torch.randn(shape, generator=random, dtype=torch.float64)
    own = targets + torch.randn(shape, generator=random, dtype=torch.float64)
    other = own + 0.5 * torch.randn(shape, generator=random, dtype=torch.float64)
    task = Task("regression", (), ("y", "z") if len(shape) == 2 else ())
    low, high = difference_interval(own, other, targets, task)["rmse"]

    def gap(rows: torch.Tensor) -> torch.Tensor:
        first, second = ((each - targets)[rows].square().mean(dim=0).sqrt() for each in (own, other))
        return (second - first).mean()

    drawn = torch.stack([gap(torch.randint(2000, (2000,), generator=random)) for _ in range(400)])
    assert (low + high) / 2 == pytest.approx(gap(torch.arange(2000)).item())
    assert (high - low) / 2 == pytest.approx(NORMAL * drawn.std().item(), rel=0.15)


def test_predictions_without_an_error_have_an_interval_of_no_width() -> None:
    numbers = torch.arange(5.0, dtype=torch.float64)
    found = difference_interval(numbers, numbers, numbers, Task("regression"))
    assert found == {"mae": (0.0, 0.0), "rmse": (0.0, 0.0)}
    assert difference_interval(numbers[:1], numbers[:1], numbers[:1], Task("regression")) == {}
    assert not any(math.isnan(end) for ends in found.values() for end in ends)
