import torch

from harness.data.augment.none import Identity


def test_the_batch_itself_is_returned():
    inputs = torch.randn(3, 2)
    assert Identity()(inputs) is inputs
