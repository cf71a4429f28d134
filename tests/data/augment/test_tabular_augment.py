import pytest
import torch

from harness.data.augment.tabular import FeatureCorruption


def test_every_replaced_entry_is_the_same_feature_of_another_row():
    inputs = torch.arange(40.0).view(8, 5)
    corrupted = FeatureCorruption(rate=1.0, weak_rate=0.0)(inputs)
    assert torch.equal(corrupted % 5, inputs % 5)
    assert not torch.equal(corrupted, inputs)


def test_the_rate_is_the_share_of_changed_entries():
    torch.manual_seed(0)
    inputs = torch.arange(400_000.0).view(4000, 100)
    changed = (FeatureCorruption(rate=0.3, weak_rate=0.0)(inputs) != inputs).double().mean()
    # A replacement is the row itself once in 4000; standard deviation 0.0007.
    assert abs(changed - 0.3) < 0.004


def test_a_rate_of_0_changes_nothing():
    inputs = torch.randn(5, 4)
    assert torch.equal(FeatureCorruption(rate=0.0, weak_rate=0.0)(inputs), inputs)


@pytest.mark.parametrize("rate", [-0.1, 1.1])
def test_a_rate_that_is_no_probability_is_refused(rate):
    with pytest.raises(ValueError, match=f"rate must be between 0 and 1, got {rate}"):
        FeatureCorruption(rate=rate, weak_rate=0.0)
