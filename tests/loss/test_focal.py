"""Focal loss, against the formula of arXiv 1708.02002 written out row by row."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from harness.loss.focal import Focal


def chance(logits: list[float], code: int) -> float:
    return math.exp(logits[code]) / sum(math.exp(logit) for logit in logits)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_of_several_classes_it_is_the_formula_averaged_over_rows(gamma: float) -> None:
    outputs, codes = torch.randn(6, 3), torch.tensor([0, 1, 2, 2, 1, 0])
    chances = [chance(row, code) for row, code in zip(outputs.tolist(), codes.tolist(), strict=True)]
    expected = sum(-((1 - p) ** gamma) * math.log(p) for p in chances) / 6
    assert Focal(gamma=gamma)(outputs, codes).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", [(7,), (7, 3)])
def test_of_answers_it_is_the_formula_averaged_over_elements(shape: tuple[int, ...]) -> None:
    outputs, answers = torch.randn(shape), (torch.rand(shape) > 0.5).float()
    expected = 0.0
    for logit, answer in zip(outputs.flatten().tolist(), answers.flatten().tolist(), strict=True):
        p = 1 / (1 + math.exp(-logit if answer else logit))
        expected -= (1 - p) ** 2 * math.log(p) / outputs.numel()
    assert Focal(gamma=2.0)(outputs, answers).item() == pytest.approx(expected, rel=1e-5)


def test_with_gamma_0_it_is_the_cross_entropy() -> None:
    outputs, codes = torch.randn(8, 4), torch.randint(4, (8,))
    torch.testing.assert_close(Focal(gamma=0.0)(outputs, codes), cross_entropy(outputs, codes))
    answers = (torch.rand(8, 4) > 0.5).float()
    expected = binary_cross_entropy_with_logits(outputs, answers)
    torch.testing.assert_close(Focal(gamma=0.0)(outputs, answers), expected)


def test_with_gamma_0_it_weighs_as_the_cross_entropy_does() -> None:
    outputs, codes, loss = torch.randn(8, 3), torch.randint(3, (8,)), Focal(gamma=0.0)
    loss.weight = torch.tensor([1.0, 5.0, 0.5])
    torch.testing.assert_close(loss(outputs, codes), cross_entropy(outputs, codes, loss.weight))
    answers = (torch.rand(8, 3) > 0.5).float()
    loss.weight, loss.pos_weight = None, torch.tensor([2.0, 3.0, 0.1])
    expected = binary_cross_entropy_with_logits(outputs, answers, pos_weight=loss.pos_weight)
    torch.testing.assert_close(loss(outputs, answers), expected)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_a_row_that_is_certainly_right_has_a_finite_gradient(gamma: float) -> None:
    outputs = torch.tensor([[1000.0, 0.0]], requires_grad=True)
    Focal(gamma=gamma)(outputs, torch.tensor([0])).backward()
    logit = torch.tensor([1000.0], requires_grad=True)
    Focal(gamma=gamma)(logit, torch.ones(1)).backward()
    assert outputs.grad is not None
    assert logit.grad is not None
    assert outputs.grad.abs().max().item() == 0
    assert logit.grad.item() == 0


def test_a_gamma_below_0_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^gamma must be 0 or more, got -1$"):
        Focal(gamma=-1)
