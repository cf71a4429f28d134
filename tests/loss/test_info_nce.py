"""InfoNCE is the cross-entropy of finding the positive, written as a naive loop."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from harness.loss.info_nce import info_nce


def cosine(one: Tensor, other: Tensor) -> float:
    return float(one @ other / (one.norm() * other.norm()))


def naive(queries: Tensor, positives: Tensor, negatives: Tensor, temperature: float, out: Tensor) -> float:
    """arXiv 1911.05722, equation 1, averaged over the queries."""
    total = 0.0
    for i in range(len(queries)):
        above = math.exp(cosine(queries[i], positives[i]) / temperature)
        others = [
            math.exp(cosine(queries[i], negatives[k]) / temperature)
            for k in range(len(negatives))
            if not out[i, k]
        ]
        total -= math.log(above / (above + sum(others)))
    return total / len(queries)


def parts(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    queries, positives = torch.randn(2, 3, 5, dtype=torch.float64, generator=generator)
    return queries, positives, torch.randn(7, 5, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_it_is_the_papers_formula(temperature: float) -> None:
    expected = naive(*parts(), temperature, torch.zeros(3, 7))
    assert info_nce(*parts(), temperature=temperature).item() == pytest.approx(expected, rel=1e-9)


def test_what_is_excluded_is_no_negative() -> None:
    excluded = torch.rand(3, 7, generator=torch.Generator().manual_seed(0)) < 0.5
    assert excluded.any()
    expected = naive(*parts(), 0.2, excluded)
    loss = info_nce(*parts(), temperature=0.2, excluded=excluded)
    assert loss.item() == pytest.approx(expected, rel=1e-9)


def test_without_a_negative_nothing_is_lost_and_the_gradient_is_zero() -> None:
    queries, positives, negatives = parts()
    queries.requires_grad_()
    excluded = torch.ones(3, 7, dtype=torch.bool)
    loss = info_nce(queries, positives, negatives, temperature=0.2, excluded=excluded)
    loss.backward()
    assert loss.item() == 0
    assert queries.grad is not None
    assert not queries.grad.any()


def test_among_n_equal_candidates_it_is_the_logarithm_of_n() -> None:
    same = torch.ones(2, 4)
    loss = info_nce(same, same, torch.ones(9, 4), temperature=0.07)
    assert loss.item() == pytest.approx(math.log(10), rel=1e-6)
