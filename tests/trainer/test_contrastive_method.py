"""Each loss, as its yaml sets it up, equals the paper's formula written as a naive loop."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from pytorch_metric_learning.losses import NTXentLoss
from torch import Tensor

from harness.config.compose import compose
from harness.config.instantiate import build
from harness.trainer.contrast.metric import Metric

METHODS = ["simclr", "supcon", "triplet"]
ROWS, CLASSES = 6, 3


@cache
def method(name: str, *changes: str) -> Metric:
    cfg = compose(["trainer=contrastive", f"trainer/method={name}", *changes])
    made: Metric = build(cfg.trainer.method, "trainer.method")
    return made


def views(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings of two views of each row (2 * ROWS, 5), the row of each view, and its class."""
    embeddings = torch.randn(2 * ROWS, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    rows = torch.arange(ROWS).repeat(2)
    return embeddings, rows, rows % CLASSES


def cosine(one: Tensor, other: Tensor) -> float:
    return float(one @ other / (one.norm() * other.norm()))


def nt_xent(embeddings: Tensor, rows: Tensor, temperature: float) -> float:
    """arXiv 2002.05709, equation 1, averaged over all positive pairs (i, j) and (j, i)."""
    losses = []
    for i in range(len(embeddings)):
        for j in range(len(embeddings)):
            if i != j and rows[i] == rows[j]:
                others = [k for k in range(len(embeddings)) if k != i]
                below = sum(math.exp(cosine(embeddings[i], embeddings[k]) / temperature) for k in others)
                losses.append(-math.log(math.exp(cosine(embeddings[i], embeddings[j]) / temperature) / below))
    return sum(losses) / len(losses)


def sup_con(embeddings: Tensor, labels: Tensor, temperature: float) -> float:
    """arXiv 2004.11362, equation 2, divided by the number of anchors."""
    total = 0.0
    for i in range(len(embeddings)):
        others = [a for a in range(len(embeddings)) if a != i]
        below = sum(math.exp(cosine(embeddings[i], embeddings[a]) / temperature) for a in others)
        positives = [p for p in others if labels[p] == labels[i]]
        for p in positives:
            above = math.exp(cosine(embeddings[i], embeddings[p]) / temperature)
            total -= math.log(above / below) / len(positives)
    return total / len(embeddings)


def semihard_triplets(embeddings: Tensor, labels: Tensor, margin: float) -> float:
    """arXiv 1503.03832, equations 1 and 4, on distances of unit vectors; the mean over the triplets."""
    unit = embeddings / embeddings.norm(dim=1, keepdim=True)
    losses = []
    for a in range(len(unit)):
        for p in range(len(unit)):
            for n in range(len(unit)):
                if a != p and labels[a] == labels[p] and labels[a] != labels[n]:
                    near, far = float((unit[a] - unit[p]).norm()), float((unit[a] - unit[n]).norm())
                    if near < far < near + margin:
                        losses.append(near - far + margin)
    return sum(losses) / len(losses)


@pytest.mark.parametrize("temperature", [None, 0.5])
def test_simclr_is_nt_xent(temperature: float | None) -> None:
    changes = [] if temperature is None else [f"trainer.method.loss.temperature={temperature}"]
    embeddings, rows, _ = views()
    expected = nt_xent(embeddings, rows, temperature or 0.2)
    assert method("simclr", *changes).measure(embeddings, rows).item() == pytest.approx(expected, rel=1e-9)


def test_simclr_is_what_the_library_calls_nt_xent() -> None:
    embeddings, rows, _ = views()
    embeddings.requires_grad_()
    ours = method("simclr").measure(embeddings, rows)
    theirs = NTXentLoss(temperature=0.2)(embeddings, rows)
    torch.testing.assert_close(ours, theirs)
    gradients = [torch.autograd.grad(loss, embeddings)[0] for loss in (ours, theirs)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("temperature", [None, 0.5])
def test_supcon_is_the_supervised_contrastive_loss(temperature: float | None) -> None:
    changes = [] if temperature is None else [f"trainer.method.loss.temperature={temperature}"]
    embeddings, _, labels = views()
    expected = sup_con(embeddings, labels, temperature or 0.1)
    assert method("supcon", *changes).measure(embeddings, labels).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("margin", [None, 0.7])
def test_triplet_is_the_mean_hinge_of_the_semihard_triplets(margin: float | None) -> None:
    changes = [] if margin is None else [f"trainer.method.loss.margin={margin}"]
    embeddings, _, labels = views()
    expected = semihard_triplets(embeddings, labels, margin or 0.2)
    assert expected > 0
    assert method("triplet", *changes).measure(embeddings, labels).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_batch_does_not_matter(name: str, seed: int) -> None:
    embeddings, rows, labels = views(seed)
    belongs = labels if method(name).labels else rows
    order = torch.randperm(len(embeddings), generator=torch.Generator().manual_seed(seed))
    there = method(name).measure(embeddings, belongs)
    torch.testing.assert_close(method(name).measure(embeddings[order], belongs[order]), there)


@pytest.mark.parametrize("name", METHODS)
def test_only_equality_of_labels_counts(name: str) -> None:
    embeddings, rows, labels = views()
    belongs = labels if method(name).labels else rows
    torch.testing.assert_close(
        method(name).measure(embeddings, 100 - belongs), method(name).measure(embeddings, belongs)
    )


def test_without_a_semihard_triplet_the_loss_is_zero_and_has_a_gradient() -> None:
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]], requires_grad=True)
    loss = method("triplet").measure(embeddings, torch.tensor([0, 0, 1, 1]))
    loss.backward()
    assert loss.item() == 0
    assert embeddings.grad is not None
    assert not embeddings.grad.any()
