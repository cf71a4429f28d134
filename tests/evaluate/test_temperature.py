"""harness/evaluate/temperature.py"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from harness.core.task import Task
from harness.evaluate.temperature import LEAST, MOST, fit_temperature

MULTICLASS, BINARY = Task("multiclass", ("a", "b", "c")), Task("binary", ("no", "yes"))
LABELS = Task("multilabel", ("p", "q"))


def sampled(scale: float) -> tuple[Tensor, Tensor]:
    """Logits of three classes that are `scale` times too sure, and classes drawn by the right ones."""
    random = torch.Generator().manual_seed(1)
    logits = torch.randn(4000, 3, generator=random) * 2
    targets = torch.multinomial(logits.softmax(dim=1), 1, generator=random)[:, 0]
    return logits * scale, targets


@pytest.mark.parametrize("scale", [0.5, 1.0, 4.0])
def test_it_finds_how_much_too_sure_the_logits_are(scale: float) -> None:
    logits, targets = sampled(scale)
    temperature = fit_temperature(logits, targets, MULTICLASS)
    assert temperature == pytest.approx(scale, rel=0.06)
    loss = lambda t: float(cross_entropy(logits.double() / t, targets))  # noqa: E731
    other = minimize_scalar(loss, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-9}).x
    assert temperature == pytest.approx(other, rel=1e-5)


def test_two_classes_and_labels_are_the_least_log_loss_too() -> None:
    random = torch.Generator().manual_seed(2)
    logits = torch.randn(300, 2, generator=random) * 3
    targets = (torch.rand(300, 2, generator=random) < (logits / 2.5).sigmoid()).float()
    for outputs, truth, task in (
        (logits[:, 0], targets[:, 0].long(), BINARY),
        (logits, targets, LABELS),
    ):
        temperature = fit_temperature(outputs, truth, task)
        losses = [
            float(binary_cross_entropy_with_logits(outputs / t, truth.float()))
            for t in temperature * np.array([0.99, 1.0, 1.01])
        ]
        assert losses[1] < min(losses[0], losses[2])
    pair = torch.stack([torch.zeros(300), logits[:, 0]], dim=1)
    alone = fit_temperature(logits[:, 0], targets[:, 0].long(), BINARY)
    assert fit_temperature(pair, targets[:, 0].long(), MULTICLASS) == pytest.approx(alone)


def test_rows_that_are_all_right_say_nothing() -> None:
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert fit_temperature(logits, torch.tensor([0, 1]), MULTICLASS) == 1.0


def test_it_stays_within_its_range() -> None:
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert fit_temperature(logits, torch.tensor([1, 0]), MULTICLASS) == pytest.approx(MOST)
    many = torch.cat([torch.tensor([[9.0]]).expand(5000, 1), torch.zeros(5000, 1)], dim=1)
    nearly = torch.cat([many * 0.001, torch.tensor([[0.00001, 0.0]])])
    targets = torch.cat([torch.zeros(5000), torch.ones(1)]).long()
    assert fit_temperature(nearly, targets, MULTICLASS) == pytest.approx(LEAST)
