"""VICReg's loss is the paper's three terms, and the library's."""

from __future__ import annotations

import math

import pytest
import torch
from pytorch_metric_learning.losses import VICRegLoss
from torch import Tensor

from harness.loss.vicreg_terms import vicreg

WEIGHTS = {"invariance": 25.0, "variance": 25.0, "covariance": 1.0}


def views(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two embeddings, (6, 4), some dimensions of which spread less than 1."""
    generator = torch.Generator().manual_seed(seed)
    scale = torch.tensor([0.2, 0.7, 1.0, 2.0])
    first, second = torch.randn(2, 6, 4, generator=generator) * scale
    return first, second


def naive(first: Tensor, second: Tensor, *, invariance: float, variance: float, covariance: float) -> float:
    """arXiv 2105.04906, equations 1 to 6, entry by entry, averaged as in the authors' code."""
    rows, width = first.shape
    apart = sum(float((first[b, j] - second[b, j]) ** 2) for b in range(rows) for j in range(width))
    total = invariance * apart / (rows * width)
    for view in (first, second):
        centred = (view - view.mean(dim=0)).double()
        for i in range(width):
            for j in range(width):
                shared = sum(float(centred[b, i] * centred[b, j]) for b in range(rows)) / (rows - 1)
                if i == j:
                    total += variance * max(0.0, 1 - math.sqrt(shared + 1e-4)) / width / 2
                else:
                    total += covariance * shared**2 / width
    return total


@pytest.mark.parametrize(
    "weights",
    [WEIGHTS, *({name: float(name == only) for name in WEIGHTS} for only in WEIGHTS)],
    ids=["all", *WEIGHTS],
)
def test_each_term_is_the_papers(weights: dict[str, float]) -> None:
    expected = naive(*views(), **weights)
    assert expected > 0
    assert vicreg(*views(), **weights).item() == pytest.approx(expected, rel=1e-5)


def test_with_the_papers_weights_it_is_the_librarys_loss_with_the_same_gradient() -> None:
    first, second = (view.requires_grad_() for view in views(1))
    ours = vicreg(first, second, **WEIGHTS)
    theirs = VICRegLoss()(first, ref_emb=second)
    torch.testing.assert_close(ours, theirs)
    gradients = [torch.autograd.grad(loss, (first, second)) for loss in (ours, theirs)]
    torch.testing.assert_close(*gradients)


def test_a_collapsed_embedding_has_a_finite_gradient() -> None:
    first, second = (torch.zeros(4, 3, requires_grad=True) for _ in range(2))
    loss = vicreg(first, second, **WEIGHTS)
    loss.backward()
    assert loss.item() == pytest.approx(25 * (1 - math.sqrt(1e-4)))
    assert first.grad is not None
    assert first.grad.isfinite().all()
