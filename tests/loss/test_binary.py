"""Binary cross-entropy with softened targets."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from harness.loss.binary import BinaryCrossEntropy


def test_without_smoothing_it_is_torchs() -> None:
    outputs, answers = torch.randn(6, 2), (torch.rand(6, 2) > 0.5).float()
    loss = BinaryCrossEntropy(label_smoothing=0.0)
    assert torch.equal(loss(outputs, answers), binary_cross_entropy_with_logits(outputs, answers))
    loss.pos_weight = torch.tensor([3.0, 0.2])
    expected = binary_cross_entropy_with_logits(outputs, answers, pos_weight=loss.pos_weight)
    assert torch.equal(loss(outputs, answers), expected)


def test_smoothing_is_that_of_a_cross_entropy_of_two_classes() -> None:
    logits, codes = torch.randn(9), torch.randint(2, (9,))
    two = torch.stack([torch.zeros(9), logits], dim=1)  # the same probabilities, written as two classes
    smoothed = BinaryCrossEntropy(label_smoothing=0.2)(logits, codes.float())
    torch.testing.assert_close(smoothed, cross_entropy(two, codes, label_smoothing=0.2))


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_outside_of_0_to_1_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=r"^label_smoothing must be at least 0 and below 1, got"):
        BinaryCrossEntropy(label_smoothing=share)
