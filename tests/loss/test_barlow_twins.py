"""Barlow Twins' loss is the paper's sums over the cross-correlation matrix."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from harness.loss.barlow_twins import barlow_twins


def naive(first: Tensor, second: Tensor, redundancy: float) -> float:
    """arXiv 2103.03230, equations 1 and 2, entry by entry."""
    rows, width = first.shape
    total = 0.0
    for i in range(width):
        for j in range(width):
            one, other = first[:, i] - first[:, i].mean(), second[:, j] - second[:, j].mean()
            above = sum(float(one[b] * other[b]) for b in range(rows))
            below = float(one.square().sum().sqrt() * other.square().sum().sqrt())
            correlation = above / below
            total += (1 - correlation) ** 2 if i == j else redundancy * correlation**2
    return total


def views(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two correlated embeddings, (8, 4) float64."""
    first, noise = torch.randn(2, 8, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return first, 3 + 2 * first + noise


@pytest.mark.parametrize("redundancy", [0.005, 0.7])
def test_it_is_the_papers_formula(redundancy: float) -> None:
    expected = naive(*views(), redundancy)
    # The rest is the 1e-5 that is added to each variance.
    assert barlow_twins(*views(), redundancy=redundancy).item() == pytest.approx(expected, rel=1e-4)


def test_each_dimension_has_a_scale_and_a_shift_of_its_own() -> None:
    first, second = views()
    scale, shift = torch.tensor([10.0, 20.0, 30.0, 40.0]), torch.tensor([5.0, -5.0, 0.0, 1.0])
    moved = barlow_twins(first * scale + shift, second, redundancy=0.1)
    torch.testing.assert_close(moved, barlow_twins(first, second, redundancy=0.1), rtol=1e-4, atol=0)


def test_two_equal_views_of_uncorrelated_dimensions_lose_nothing() -> None:
    rows = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert barlow_twins(rows, rows, redundancy=1.0).item() == pytest.approx(0, abs=1e-8)


def test_a_collapsed_embedding_costs_one_per_dimension_and_has_a_gradient() -> None:
    rows = torch.ones(4, 3, requires_grad=True)
    loss = barlow_twins(rows, rows, redundancy=1.0)
    loss.backward()
    assert loss.item() == pytest.approx(3)
    assert rows.grad is not None
    assert rows.grad.isfinite().all()
