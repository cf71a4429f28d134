import pytest
import torch

from harness.core.errors import UserError
from harness.data.augment.image import ImageAugment
from harness.data.augment.tabular import FeatureCorruption

STRONG = {
    "rotation": 15.0,
    "scale": [0.8, 1.2],
    "translate": 0.0,
    "shear": 10.0,
    "flip": 0.0,
    "brightness": 0.2,
    "contrast": 0.2,
    "noise": 0.1,
    "erase": 1.0,
    "erase_area": [0.1, 0.2],
}


def augment(**changes) -> ImageAugment:
    return ImageAugment(**(STRONG | changes))


def test_without_flip_and_shift_the_weak_view_of_an_image_is_itself():
    inputs = torch.randn(4, 3, 8, 8)
    assert augment().weak(inputs) is inputs
    assert not torch.equal(augment()(inputs), inputs)


def test_a_certain_flip_is_the_mirror_image_also_in_the_weak_view():
    inputs = torch.randn(4, 3, 8, 8)
    assert torch.allclose(augment(flip=1.0).weak(inputs), inputs.flip(3), atol=1e-5)


def test_a_weak_shift_by_half_the_width_moves_whole_pixels(monkeypatch):
    monkeypatch.setattr(torch, "rand", lambda *shape, **how: torch.ones(shape, **how))
    inputs = torch.randn(2, 1, 8, 8)
    moved = augment(translate=0.5).weak(inputs)
    assert torch.allclose(moved[:, :, :4, :4], inputs[:, :, 4:, 4:], atol=1e-5)
    assert torch.allclose(moved[:, :, 7, 7], inputs[:, :, 7, 7], atol=1e-5)  # the colour of the border


def test_the_images_of_a_batch_shift_by_their_own_amounts():
    torch.manual_seed(0)
    inputs = torch.randn(1, 1, 8, 8).expand(64, -1, -1, -1)
    moved = augment(translate=0.125).weak(inputs)
    assert len(moved.flatten(1).unique(dim=0)) == 64


def test_a_weak_view_of_rows_of_features_by_an_augmentation_for_images_is_refused():
    with pytest.raises(UserError, match=r"a sample has the shape \(5,\); use data/augment=tabular"):
        augment(translate=0.1).weak(torch.randn(4, 5))


def test_the_weak_view_of_a_table_has_its_own_rate():
    torch.manual_seed(0)
    inputs = torch.arange(40_000.0).view(4_000, 10)
    changed = FeatureCorruption(rate=0.9, weak_rate=0.1).weak(inputs) != inputs
    assert abs(changed.double().mean() - 0.1) < 0.01


@pytest.mark.parametrize("rate", [-0.1, 1.1])
def test_a_weak_rate_that_is_no_probability_is_refused(rate):
    with pytest.raises(ValueError, match="weak_rate must be between 0 and 1, got"):
        FeatureCorruption(rate=0.3, weak_rate=rate)
