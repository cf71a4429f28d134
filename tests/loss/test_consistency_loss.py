import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from harness.loss.consistency_losses import (
    class_weights,
    fairness,
    guess,
    guessed_cross_entropy,
    linear_ramp,
    sigmoid_ramp,
    softmax_distance,
)


def test_a_guess_is_the_likeliest_class_with_its_probability_and_no_gradient():
    logits = torch.tensor([[0.0, math.log(3)], [math.log(4), 0.0]], requires_grad=True)
    probabilities, confidence, codes = guess(logits)
    assert torch.allclose(probabilities, torch.tensor([[0.25, 0.75], [0.8, 0.2]]))
    assert torch.allclose(confidence, torch.tensor([0.75, 0.8]))
    assert codes.tolist() == [1, 0]
    assert not confidence.requires_grad


def test_rows_that_do_not_count_cost_nothing_but_are_counted_in_the_mean():
    torch.manual_seed(0)
    logits, codes = torch.randn(5, 3), torch.tensor([0, 1, 2, 0, 1])
    counts = torch.tensor([True, False, True, False, False])
    naive = sum(-F.log_softmax(logits[i], 0)[codes[i]] for i in range(5) if counts[i]) / 5
    assert torch.allclose(guessed_cross_entropy(logits, codes, counts), naive)


def test_no_row_that_counts_is_no_loss():
    assert guessed_cross_entropy(torch.randn(4, 3), torch.zeros(4).long(), torch.zeros(4).bool()) == 0


def test_the_distance_of_two_predictions_is_the_mean_square_over_rows_and_classes():
    torch.manual_seed(0)
    first, second = torch.randn(4, 3), torch.randn(4, 3)
    p, q = first.softmax(1).numpy(), second.softmax(1).numpy()
    naive = sum((p[i, c] - q[i, c]) ** 2 for i in range(4) for c in range(3)) / 12
    assert softmax_distance(first, second).item() == pytest.approx(naive)


def test_both_predictions_are_drawn_together():
    first, second = torch.randn(4, 3, requires_grad=True), torch.randn(4, 3, requires_grad=True)
    softmax_distance(first, second).backward()
    assert first.grad.abs().sum() > 0
    assert second.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("share", "over", "weight"),
    [(0.0, 0.5, math.exp(-5)), (0.25, 0.5, math.exp(-1.25)), (0.5, 0.5, 1), (0.9, 0.5, 1), (0.0, 0.0, 1)],
)
def test_the_sigmoid_ramp_rises_from_e_to_the_minus_5_to_1(share, over, weight):
    assert sigmoid_ramp(share, over) == pytest.approx(weight)


@pytest.mark.parametrize(("share", "weight"), [(0, 0), (0.1, 0), (0.35, 0.5), (0.6, 1), (0.9, 1)])
def test_the_linear_ramp_is_a_straight_line_between_its_ends(share, weight):
    assert linear_ramp(share, 0.1, 0.6) == pytest.approx(weight)


def test_the_weights_of_each_class_are_summed():
    found = class_weights(torch.tensor([2, 0, 2]), torch.tensor([1.0, 0.5, 3.0]), 4)
    assert found.tolist() == [0.5, 0.0, 4.0, 0.0]


def test_fairness_is_that_of_a_naive_reading_of_the_paper():
    torch.manual_seed(0)
    logits, counts = torch.randn(20, 3), torch.rand(20) < 0.7
    expected, histogram = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.6, 0.3, 0.1])
    used = logits[counts].softmax(1).double().numpy()
    shares = np.bincount(used.argmax(1), minlength=3) / len(used)
    now, before = used.mean(0) / shares, (expected / histogram).double().numpy()
    naive = (before / before.sum() * np.log(now / now.sum())).sum()
    assert fairness(logits, counts, expected, histogram).item() == pytest.approx(naive, rel=1e-5)


def test_a_class_that_was_never_predicted_does_not_make_fairness_infinite():
    logits = torch.tensor([[3.0, 0.0, 0.0], [3.0, 0.0, 0.0]], requires_grad=True)
    even = torch.full((3,), 1 / 3)
    term = fairness(logits, torch.tensor([True, True]), even, torch.tensor([1.0, 0.0, 0.0]))
    term.backward()
    assert term.item() == pytest.approx(0, abs=1e-6)  # all of both lies on the one class
    assert logits.grad.isfinite().all()


def test_without_a_row_that_counts_fairness_is_0_and_has_no_gradient():
    logits = torch.randn(4, 3, requires_grad=True)
    even = torch.full((3,), 1 / 3)
    term = fairness(logits, torch.zeros(4).bool(), even, even)
    term.backward()
    assert term == 0
    assert logits.grad.abs().sum() == 0
