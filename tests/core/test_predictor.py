"""What a network says, as probabilities."""

from __future__ import annotations

import math

import pytest
import torch

from harness.core.predictor import probabilities


def test_probabilities_are_softmax_and_sigmoid_in_the_order_of_the_classes() -> None:
    logits = torch.tensor([[0.0, 0.0, 0.0], [0.0, math.log(2.0), math.log(5.0)]])
    assert probabilities(logits).tolist() == [
        pytest.approx([1 / 3] * 3, abs=1e-6),
        pytest.approx([0.125, 0.25, 0.625], abs=1e-6),
    ]
    one = probabilities(torch.tensor([0.0, math.log(3.0)]))
    assert one.tolist() == [pytest.approx([0.5, 0.5], abs=1e-6), pytest.approx([0.25, 0.75], abs=1e-6)]
