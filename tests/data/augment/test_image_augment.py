import itertools
import re

import pytest
import torch
from scipy import ndimage

from harness.core.errors import UserError
from harness.data.augment.image import ImageAugment

STILL = {
    "rotation": 0.0,
    "scale": [1.0, 1.0],
    "translate": 0.0,
    "shear": 0.0,
    "flip": 0.0,
    "brightness": 0.0,
    "contrast": 0.0,
    "noise": 0.0,
    "erase": 0.0,
    "erase_area": [0.02, 0.2],
}


def augment(**changes) -> ImageAugment:
    return ImageAugment(**(STILL | changes))


def extremes(monkeypatch, value: float) -> None:
    """Every uniform number drawn is `value`: 1 gives each strength its full positive amount."""
    monkeypatch.setattr(torch, "rand", lambda *shape, **how: torch.full(shape, value, **how))


def photo(height=9, width=9) -> torch.Tensor:
    """(1, 1, height, width), smooth, so that resampling loses little."""
    y, x = torch.meshgrid(torch.linspace(0, 3, height), torch.linspace(0, 2, width), indexing="ij")
    return (torch.sin(y) + torch.cos(2 * x) + 0.3 * x * y).view(1, 1, height, width)


def test_strengths_of_0_change_nothing():
    inputs = torch.randn(4, 3, 8, 8)
    assert augment()(inputs) is inputs


def test_a_flip_is_the_mirror_image():
    inputs = torch.randn(4, 3, 8, 8)
    assert torch.allclose(augment(flip=1.0)(inputs), inputs.flip(3), atol=1e-5)


def test_a_quarter_turn_is_the_rotated_image(monkeypatch):
    extremes(monkeypatch, 1.0)
    inputs = torch.randn(2, 1, 8, 8)
    turned = augment(rotation=90.0)(inputs)
    assert torch.allclose(turned, torch.rot90(inputs, 1, (2, 3)), atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(21, 21), (15, 31)])
def test_a_rotation_is_rigid_whatever_the_sides(monkeypatch, height, width):
    extremes(monkeypatch, 1.0)
    inputs = photo(height, width)
    turned = augment(rotation=20.0)(inputs)[0, 0].numpy()
    oracle = ndimage.rotate(inputs[0, 0].numpy(), 20.0, reshape=False, order=1, mode="nearest")
    assert abs(turned - oracle).max() < 1e-4


def test_a_shift_by_half_the_width_moves_whole_pixels(monkeypatch):
    extremes(monkeypatch, 1.0)
    inputs = torch.randn(2, 1, 8, 8)
    moved = augment(translate=0.5)(inputs)
    assert torch.allclose(moved[:, :, :4, :4], inputs[:, :, 4:, 4:], atol=1e-5)
    assert torch.allclose(moved[:, :, 7, 7], inputs[:, :, 7, 7], atol=1e-5)


def test_a_scale_of_2_shows_the_middle_half_larger(monkeypatch):
    extremes(monkeypatch, 1.0)
    inputs = photo(20, 20)
    zoomed = augment(scale=[1.0, 2.0])(inputs)[0, 0].numpy()
    oracle = ndimage.affine_transform(
        inputs[0, 0].numpy(), [0.5, 0.5], offset=9.5 * 0.5, order=1, mode="nearest"
    )
    assert abs(zoomed - oracle).max() < 1e-5


def test_a_shear_slides_each_row_by_its_height(monkeypatch):
    extremes(monkeypatch, 1.0)
    inputs = torch.zeros(1, 1, 9, 9)
    inputs[..., 4] = 1
    slid = augment(shear=45.0)(inputs)[0, 0]
    assert torch.allclose(slid, torch.eye(9).flip(1), atol=1e-5)


def test_what_comes_from_outside_has_the_colour_of_the_border(monkeypatch):
    extremes(monkeypatch, 0.0)
    smaller = augment(scale=[0.5, 1.0])(torch.full((2, 3, 8, 8), -0.8))
    assert torch.allclose(smaller, torch.full((2, 3, 8, 8), -0.8))


def test_contrast_and_brightness_work_about_the_images_own_mean(monkeypatch):
    extremes(monkeypatch, 1.0)
    inputs = torch.randn(3, 2, 5, 5)
    mean = inputs.mean(dim=(1, 2, 3), keepdim=True)
    found = augment(brightness=0.3, contrast=0.5)(inputs)
    assert torch.allclose(found, mean + 1.5 * (inputs - mean) + 0.3, atol=1e-6)


def test_noise_has_its_standard_deviation():
    torch.manual_seed(0)
    noise = augment(noise=0.1)(torch.zeros(64, 1, 32, 32))
    assert abs(noise.std() - 0.1) < 0.002
    assert abs(noise.mean()) < 0.002


def test_erasing_sets_rectangles_to_the_mean_in_the_set_share_of_images():
    torch.manual_seed(0)
    erased = augment(erase=0.25, erase_area=[0.1, 0.2])(torch.ones(4000, 2, 16, 16)) == 0
    assert torch.equal(erased[:, 0], erased[:, 1])
    touched = erased[:, 0].flatten(1)
    assert abs(touched.any(dim=1).double().mean() - 0.25) < 0.03
    assert touched.double().mean(dim=1).max() < 0.25
    for mask in erased[touched.any(dim=1), 0][:50]:
        rows, columns = mask.any(dim=1), mask.any(dim=0)
        assert torch.equal(mask, rows[:, None] & columns[None, :])


def test_the_images_of_a_batch_change_differently():
    torch.manual_seed(0)
    inputs = photo().expand(8, 1, 9, 9)
    views = augment(rotation=30.0)(inputs).flatten(1)
    assert len(views.unique(dim=0)) == 8


AREA = "erase_area must be [low, high] with 0 <= low <= high <= 1"


@pytest.mark.parametrize(
    ("names", "values", "rule"),
    [
        (("flip", "erase", "translate", "contrast"), (-0.1, 1.1), "{name} must be between 0 and 1"),
        (("rotation", "brightness", "noise"), (-1.0,), "{name} must be 0 or more"),
        (("shear",), (90,), "shear must be 0 or more and less than 90 degrees"),
        (("scale",), ([0.0, 1.0], [1.2, 0.8], [1.0]), "scale must be [low, high] with 0 < low <= high"),
        (("erase_area",), ([-0.1, 0.2], [0.3, 0.2], [0.5, 1.5], [0.1]), AREA),
    ],
)
def test_values_out_of_range_are_refused(names, values, rule):
    for name, value in itertools.product(names, values):
        with pytest.raises(ValueError, match=re.escape(f"{rule.format(name=name)}, got {value}")):
            augment(**{name: value})


def test_rows_of_features_are_refused():
    words = (
        r"changes images, and a sample has the shape \(30,\); use data/augment=tabular or data/augment=none"
    )
    with pytest.raises(UserError, match=words):
        augment()(torch.randn(4, 30))
