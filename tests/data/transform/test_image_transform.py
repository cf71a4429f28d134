import numpy as np
import pandas as pd
import pytest

from harness.core.errors import UserError
from harness.core.table import Table
from harness.data.transform.image import Image


def image(*, size=None, resize="stretch", channels=None, normalise=True, statistics=4096) -> Image:
    return Image(size=size, resize=resize, channels=channels, normalise=normalise, statistics=statistics)


def table(pixels: np.ndarray) -> Table:
    """pixels: (N, C, H, W)"""
    frame = pd.DataFrame(pixels.reshape(len(pixels), -1)).rename(columns=str)
    return Table(frame, tuple(frame.columns), kind="image", shape=pixels.shape[1:])


def transformed(pixels, rows, normalise=True):
    source, transform = table(pixels), image(normalise=normalise)
    transform.fit(source, np.asarray(rows), source.task)
    return transform(source).inputs.numpy()


PIXELS = np.random.default_rng(0).normal(7, 3, (10, 3, 4, 5))


def test_each_channel_has_mean_0_and_deviation_1_over_the_training_rows():
    rows = [0, 2, 4, 6]
    mean = PIXELS[rows].mean(axis=(0, 2, 3), keepdims=True)
    deviation = PIXELS[rows].std(axis=(0, 2, 3), keepdims=True)
    assert np.allclose(transformed(PIXELS, rows), (PIXELS - mean) / deviation, atol=1e-6)


def test_without_normalisation_the_pixels_keep_their_unit_and_their_place():
    assert np.array_equal(transformed(PIXELS, [0, 1], normalise=False), PIXELS.astype(np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_pixel_that_is_no_number_becomes_the_mean_of_its_channel(value):
    pixels = PIXELS.copy()
    pixels[1, 2, 3, 4] = pixels[9, 0, 0, 0] = value
    rows = [0, 1, 2]
    found = transformed(pixels, rows)
    assert found[1, 2, 3, 4] == found[9, 0, 0, 0] == 0
    mean = np.nanmean(np.where(np.isinf(pixels[rows]), np.nan, pixels[rows]), axis=(0, 2, 3))
    kept = transformed(pixels, rows, normalise=False)
    assert kept[1, 2, 3, 4] == np.float32(mean[2])


def test_a_channel_of_one_colour_becomes_0():
    pixels = PIXELS.copy()
    pixels[:, 1] = 255
    assert (transformed(pixels, [0, 1])[:, 1] == 0).all()


def test_a_channel_without_a_value_in_the_training_rows_is_finite():
    pixels = PIXELS.copy()
    pixels[:2, 1] = np.nan
    assert np.isfinite(transformed(pixels, [0, 1])).all()


def test_a_table_without_pixel_columns_is_refused():
    rows = Table(pd.DataFrame({"x": [1, 2]}), ("x",), name="visits")
    words = r"needs pixel columns or one column of images, and visits has neither; .* data/transform=tabular"
    with pytest.raises(UserError, match=words):
        image().fit(rows, np.arange(2), rows.task)


def test_a_pixel_column_of_text_is_refused():
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    rows = Table(frame, ("a", "b"), kind="image", shape=(1, 1, 2))
    with pytest.raises(UserError, match="column 'b' must hold numbers, and holds text"):
        image().fit(rows, np.arange(2), rows.task)
