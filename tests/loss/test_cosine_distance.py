"""Cosine distance is one minus the mean cosine of the rows."""

from __future__ import annotations

import math

import pytest
import torch

from harness.loss.cosine_distance import cosine_distance


def test_it_is_the_mean_over_a_naive_loop_of_rows() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 6, 5, dtype=torch.float64, generator=generator)
    total = 0.0
    for p, z in zip(first.tolist(), second.tolist(), strict=True):
        inner = sum(a * b for a, b in zip(p, z, strict=True))
        total += 1 - inner / (math.hypot(*p) * math.hypot(*z))
    assert cosine_distance(first, second).item() == pytest.approx(total / 6, rel=1e-12)


def test_twice_it_is_the_squared_distance_of_unit_vectors() -> None:
    first, second = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(1))
    unit = [part / part.norm(dim=1, keepdim=True) for part in (first, second)]
    squared = (unit[0] - unit[1]).square().sum(dim=1).mean()
    torch.testing.assert_close(2 * cosine_distance(first, second), squared)


@pytest.mark.parametrize(("factor", "expected"), [(3.0, 0.0), (-0.5, 2.0)])
def test_only_directions_count(factor: float, expected: float) -> None:
    rows = torch.tensor([[1.0, 2.0], [-3.0, 0.5]])
    assert cosine_distance(rows, factor * rows).item() == pytest.approx(expected, abs=1e-6)
