"""Images that are read when they are asked for."""

import io
import pickle
import struct
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image as Pillow

from harness.core.errors import UserError
from harness.core.table import Table
from harness.data.transform.deep_colour import is_cut
from harness.data.transform.image import Image
from harness.data.transform.image_survey import survey
from harness.data.transform.lazy_images import Moments

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 6, 5, 3), dtype=np.uint8)
OPTIONS = {"size": None, "resize": "stretch", "channels": None, "normalise": True, "statistics": 4096}


def image(**changes) -> Image:
    return Image(**(OPTIONS | changes))


def encoded(pixels: np.ndarray | Pillow.Image, **options) -> bytes:
    made = Pillow.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels
    buffer = io.BytesIO()
    made.save(buffer, **({"format": "PNG"} | options))
    return buffer.getvalue()


def files(images: list, name="photos") -> Table:
    return Table(
        pd.DataFrame({"image": pd.Series(images, dtype=object)}), ("image",), kind="image", name=name
    )


def stack(array: np.ndarray) -> Table:
    return Table(pd.DataFrame({"n": range(len(array))}), (), kind="image", array=array, name="photos")


def transformed(source: Table, rows=None, **changes) -> torch.Tensor:
    transform = image(**changes)
    transform.fit(source, np.arange(len(source)) if rows is None else np.asarray(rows), source.task)
    return transform(source).take(np.arange(len(source)))


def raw(*images, **changes) -> list:
    """The pixels of images, as the decoder gives them."""
    return transformed(files(list(images)), normalise=False, **changes).tolist()


@pytest.fixture
def paths(tmp_path: Path) -> Table:
    found = []
    for number, pixels in enumerate(PIXELS):
        found.append(str(tmp_path / f"{number}.png"))
        Pillow.fromarray(pixels).save(found[-1])
    return files(found)


def test_paths_bytes_and_arrays_of_the_same_images_are_the_same_samples(paths):
    rows = [0, 3, 4, 7]
    expected = PIXELS.transpose(0, 3, 1, 2).astype(float)
    seen = expected[rows]
    expected = (expected - seen.mean((0, 2, 3), keepdims=True)) / seen.std((0, 2, 3), keepdims=True)
    found = transformed(paths, rows)
    assert torch.allclose(found.double(), torch.from_numpy(expected), atol=1e-5)
    assert torch.equal(transformed(files([encoded(pixels) for pixels in PIXELS]), rows), found)
    assert torch.equal(transformed(stack(PIXELS.transpose(0, 3, 1, 2)), rows), found)


@pytest.mark.parametrize("changes", [{}, {"size": [4, 4], "resize": "crop"}, {"channels": 1}], ids=str)
def test_arranged_files_are_an_array_of_bytes_and_the_same_samples(paths, changes):
    asked = []
    made = image(**changes).arrange(paths, lambda size: asked.append(size) or True)
    assert (made.features, made.array.dtype) == ((), np.uint8)
    assert asked == [made.array.size * 4]
    assert torch.equal(transformed(made, [1, 2, 5], **changes), transformed(paths, [1, 2, 5], **changes))


def test_what_the_loader_does_not_hold_is_left_as_it_is(paths):
    assert image().arrange(paths, lambda size: False) is paths
    array = stack(PIXELS.transpose(0, 3, 1, 2))
    assert image().arrange(array, lambda size: True) is array


def test_the_test_images_do_not_change_training_samples():
    other = PIXELS.copy()
    other[8:] = 255
    one, two = (
        transformed(files([encoded(pixels) for pixels in images]), range(8)) for images in (PIXELS, other)
    )
    assert torch.equal(one[:8], two[:8])


def test_statistics_are_taken_of_training_images_spread_evenly():
    array = np.arange(10.0).reshape(10, 1, 1, 1)
    transform = image(statistics=3)
    transform.fit(stack(array), np.arange(9), stack(array).task)
    assert transform.mean.tolist() == [3.0]  # of 0, 3 and 6


def test_moments_of_parts_are_those_of_the_whole():
    values = np.random.default_rng(0).normal(100, 3, (30, 2, 7))
    values[4, 1, 3] = np.nan
    moments = Moments(2)
    for part in (values[:1], values[1:20], values[20:]):
        moments.add(part)
    assert np.allclose(moments.mean, np.nanmean(values, axis=(0, 2)), rtol=1e-14)
    assert np.allclose(moments.deviation, np.nanstd(values, axis=(0, 2)), rtol=1e-12)


def test_a_pixel_of_an_array_that_is_no_number_becomes_the_mean_of_its_channel():
    array = np.array([1.0, 3.0, np.nan, np.inf]).reshape(4, 1, 1, 1)
    assert transformed(stack(array)).flatten().tolist() == [-1, 1, 0, 0]


def test_a_restored_transform_reads_the_same_samples(paths):
    fitted, fresh = image(), image()
    fitted.fit(paths, np.arange(5), paths.task)
    fresh.restore(fitted.state())
    rows = np.array([9, 2])
    assert torch.equal(fresh(paths).take(rows), fitted(paths).take(rows))


def test_a_memory_mapped_array_is_sent_to_a_worker_by_its_place(tmp_path):
    array = np.zeros((500, 3, 16, 16), dtype=np.uint8)
    array[499] = 7
    np.save(tmp_path / "photos.npy", array)
    source = stack(np.load(tmp_path / "photos.npy", mmap_mode="r"))
    transform = image(normalise=False)
    transform.fit(source, np.arange(3), source.task)
    sent = pickle.dumps(transform(source).inputs)
    assert len(sent) < 5000
    assert (pickle.loads(sent).take(np.array([499])) == 7).all()


def test_an_image_is_turned_by_its_exif_orientation():
    exif = Pillow.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    pixels = np.array([[10, 20, 30], [40, 50, 60]], dtype=np.uint8)
    assert raw(encoded(pixels, exif=exif)) == [[[[40, 10], [50, 20], [60, 30]]]]


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.array([[0, 257, 65535]], np.uint16), [[0, 1, 255]]),
        (np.array([[0, 257 / 2]], np.float32), [[0, 128.5]]),
        (np.array([[0, 2**31 - 1]], np.int32), [[0, np.float32((2**31 - 1) / 257)]]),
        (np.array([[-257, 257]], np.int32), [[-1, 1]]),
    ],
    ids=["16 bits", "float", "32 bits", "signed"],
)
@pytest.mark.parametrize("arranged", [False, True])
def test_more_than_eight_bits_keep_their_range_in_the_unit_of_eight(pixels, expected, arranged):
    source = files([encoded(pixels, format="TIFF")])
    source = image().arrange(source, lambda size: arranged)
    assert transformed(source, normalise=False).tolist() == [[expected]]


def sixteen_bits(pixels: np.ndarray) -> bytes:
    """A PNG of (H, W, C) uint16; Pillow writes none in colour."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in pixels)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


def sixteen_bits_tiff(pixels: np.ndarray, order: str, compressed: bool) -> bytes:
    """A TIFF of (H, W, 3) uint16 with the byte order `<` or `>`."""
    height, width, channels = pixels.shape
    data = pixels.astype(f"{order}u2").tobytes()
    data = zlib.compress(data) if compressed else data
    end = 8 + 2 + 9 * 12 + 4
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, channels, end)]
    tags += [(259, 4, 1, 8 if compressed else 1), (262, 4, 1, 2), (273, 4, 1, end + 2 * channels)]
    tags += [(277, 4, 1, channels), (278, 4, 1, height), (279, 4, 1, len(data))]
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(tags))
    entries = b"".join(struct.pack(f"{order}HHII", *tag) for tag in tags)
    return start + entries + struct.pack(f"{order}I{channels}H", 0, *[16] * channels) + data


COLOURS = np.array([[[0, 257, 65535], [1, 256, 300]]], np.uint16)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (sixteen_bits(COLOURS), COLOURS),
        (sixteen_bits_tiff(COLOURS, "<", False), COLOURS),
        (sixteen_bits_tiff(COLOURS, ">", False), COLOURS),
        (sixteen_bits_tiff(COLOURS, "<", True), COLOURS),
        (sixteen_bits(np.dstack([COLOURS, [[65535, 65535]]])), COLOURS),
        (sixteen_bits(np.dstack([COLOURS, [[0, 0]]])), np.full((1, 2, 3), 65535)),
        (sixteen_bits(np.array([[[300, 65535], [300, 0]]])), np.array([[[300], [65535]]])),
    ],
    ids=["png", "little", "big", "compressed", "opaque", "transparent", "grey"],
)
def test_colours_of_sixteen_bits_keep_their_range_in_the_unit_of_eight(content, expected):
    found = np.array(raw(content)[0]).transpose(1, 2, 0)
    assert np.allclose(found, expected / 257, rtol=1e-6)


def test_an_image_of_sixteen_bits_is_turned_by_its_orientation():
    colours = np.arange(6, dtype=np.uint16).reshape(1, 2, 3)
    start = sixteen_bits(colours)
    exif = Pillow.Exif()
    exif[0x0112] = 6
    data = exif.tobytes()[6:]
    chunk = struct.pack(">I", len(data)) + b"eXIf" + data + struct.pack(">I", zlib.crc32(b"eXIf" + data))
    assert np.array(raw(start[:33] + chunk + start[33:])).shape == (1, 3, 2, 1)


def test_images_of_different_depths_have_one_unit():
    eight, sixteen = np.full((1, 2), 3, np.uint8), np.array([[0, 65535]], np.uint16)
    source = image().arrange(files([encoded(eight), encoded(sixteen)]), lambda size: True)
    assert transformed(source, normalise=False).tolist() == [[[[3, 3]]], [[[0, 255]]]]


@pytest.mark.parametrize("options", [{"size": [2, 1]}, {"channels": 3}, {"size": [1, 1], "resize": "crop"}])
def test_more_than_eight_bits_come_to_their_shape_as_eight_do(options):
    pixels = np.array([[0, 100], [200, 40]], np.uint8)
    wide = pixels.astype(np.uint16) * 257
    assert np.allclose(raw(encoded(wide), **options), raw(encoded(pixels), **options), atol=0.5)


def turned(pixels: np.ndarray, form: str) -> bytes:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    return encoded(pixels, format=form, exif=exif)


MIXED = [
    encoded(PIXELS[0]),
    encoded(PIXELS[1][:4]),
    encoded(PIXELS[2][..., 0]),
    encoded(Pillow.fromarray(PIXELS[3]).convert("LA")),
    encoded(Pillow.fromarray(PIXELS[4]).quantize(8)),
    encoded(Pillow.fromarray(PIXELS[5]).convert("RGBA")),
    encoded(Pillow.fromarray(PIXELS[6]).convert("CMYK"), format="TIFF"),
    encoded(PIXELS[7][..., 0].astype(np.uint16)),
    sixteen_bits(PIXELS[8].astype(np.uint16)),
    sixteen_bits(PIXELS[8][..., :2].astype(np.uint16)),
    *(turned(PIXELS[9], form) for form in ("JPEG", "PNG", "TIFF", "WEBP")),
]


@pytest.mark.parametrize("content", MIXED)
def test_the_survey_finds_the_shapes_that_are_decoded(content):
    assert survey([content]).shapes.tolist() == [list(np.shape(raw(content)[0]))]


@pytest.mark.parametrize(
    ("images", "options", "values", "note"),
    [
        (MIXED, {}, {"size": [6, 5], "channels": 3}, "height 4 to 6, width 5 to 6, 4 of 14 in grey"),
        (MIXED, {"size": [3, 3]}, {"channels": 3}, "by data.transform.channels=3, data.transform.resize="),
        (MIXED, {"size": [3, 3], "channels": 1}, {}, ""),
        (MIXED[:1] * 2, {}, {"size": [6, 5], "channels": 3}, ""),
        (MIXED[2:4], {}, {"size": [6, 5], "channels": 1}, ""),
        ([b"no image", *MIXED[:1]], {}, {"size": [6, 5], "channels": 3}, ""),
        ([b"no image"], {}, {}, ""),
    ],
    ids=["mixed", "size", "set", "alike", "grey", "one broken", "broken"],
)
def test_images_that_differ_get_a_shape_that_is_shown(images, options, values, note):
    settings = image(**options).settings_for(files(images))
    assert settings.values == values
    assert len(settings.notes) == bool(note)
    assert note in "".join(settings.notes)


def test_images_of_all_kinds_become_samples_of_one_shape():
    settings = image().settings_for(files(MIXED)).values
    assert transformed(files(MIXED), **settings).shape == (14, 3, 6, 5)
    arranged = image(**settings).arrange(files(MIXED), lambda size: True)
    assert torch.equal(transformed(arranged, **settings), transformed(files(MIXED), **settings))


def test_a_new_image_is_brought_to_the_fitted_shape():
    transform = image()
    transform.fit(files(MIXED[:1]), np.arange(1), files(MIXED[:1]).task)
    assert transform(files(MIXED)).take(np.arange(14)).shape == (14, 3, 6, 5)


@pytest.mark.parametrize(
    ("mode", "raw", "cut"),
    [
        ("RGB", "RGB;16B", False),
        ("RGB", ("RGB;16N", "tiff_lzw"), False),
        ("RGBA", "LA;16B", False),
        ("CMYK", ("CMYK;16L", 0, 1), True),
        ("I;16", "I;16B", False),
        ("L", "L", False),
    ],
)
def test_only_layouts_that_are_not_read_whole_are_reported(mode, raw, cut):
    assert is_cut(SimpleNamespace(mode=mode, tile=[SimpleNamespace(args=raw)])) is cut


@pytest.mark.parametrize("kind", ["float64", "int32", "int64"])
def test_a_large_offset_of_an_array_costs_no_difference(kind):
    array = (np.array([1.0, 3.0, 5.0]) + 1e9).astype(kind).reshape(3, 1, 1, 1)
    expected = np.array([-1, 0, 1]) / np.sqrt(2 / 3)
    assert np.allclose(transformed(stack(array)).flatten(), expected)


def test_a_number_beyond_float32_counts_as_missing():
    assert transformed(stack(np.array([1.0, 3.0, 1e300]).reshape(3, 1, 1, 1))).flatten().tolist() == [
        -1,
        1,
        0,
    ]


def test_a_palette_becomes_its_colours():
    picture = Pillow.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 128, 0])
    picture.putpixel((1, 0), 1)
    assert raw(encoded(picture)) == [[[[255, 0]], [[0, 128]], [[0, 0]]]]


def test_transparent_pixels_become_white():
    pixels = np.array([[[9, 9, 9, 0], [9, 9, 9, 255]]], dtype=np.uint8)
    assert raw(encoded(pixels)) == [[[[255, 9]]] * 3]
    grey = Pillow.fromarray(np.array([[[9, 0], [9, 255]]], dtype=np.uint8))
    assert raw(encoded(grey)) == [[[[255, 9]]]]


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_and_colour_images_get_the_set_number_of_channels(channels):
    grey, colour = np.full((1, 1), 50, dtype=np.uint8), np.full((1, 1, 3), 50, dtype=np.uint8)
    assert raw(encoded(grey), encoded(colour), channels=channels) == [[[[50]]] * channels] * 2
    array = np.full((1, 4 - channels, 1, 1), 50.0)
    found = transformed(stack(array), normalise=False, channels=channels)
    assert torch.allclose(found, torch.full((1, channels, 1, 1), 50.0))


def test_grey_made_colour_is_normalised_in_each_channel():
    array = np.array([1, 3], dtype=np.uint8).reshape(2, 1, 1, 1)
    assert transformed(stack(array), channels=3).flatten(1).tolist() == [[-1] * 3, [1] * 3]


def test_reading_samples_leaves_the_array_as_it_was():
    array = np.array([1.0, 3.0], dtype=np.float32).reshape(2, 1, 1, 1)
    transformed(stack(array))
    assert array.flatten().tolist() == [1, 3]


SQUARE = np.repeat(np.arange(4, dtype=np.uint8)[None, :] * 10, 2, axis=0)  # 2 x 4


@pytest.mark.parametrize("form", ["file", "array"])
@pytest.mark.parametrize(
    ("resize", "expected"),
    [
        ("crop", [[10, 20], [10, 20]]),
        ("pad", [[0, 0, 0, 0], [0, 10, 20, 30], [0, 10, 20, 30], [0, 0, 0, 0]]),
        ("stretch", [[0, 10, 20, 30]] * 4),
    ],
)
def test_an_image_gets_the_set_size(form, resize, expected):
    size = [len(expected), len(expected[0])]
    source = files([encoded(SQUARE)]) if form == "file" else stack(SQUARE[None, None].astype(np.float64))
    assert transformed(source, normalise=False, size=size, resize=resize).tolist() == [[expected]]


def test_pixel_columns_get_the_set_size_as_well():
    frame = pd.DataFrame(SQUARE.reshape(1, -1)).rename(columns=str)
    source = Table(frame, tuple(frame.columns), kind="image", shape=(1, 2, 4))
    found = transformed(source, normalise=False, size=[2, 2], resize="crop", channels=3)
    assert found.tolist() == [[[[10, 20], [10, 20]]] * 3]


def test_the_first_image_of_another_size_is_named():
    images = [encoded(PIXELS[0]), encoded(PIXELS[1]), encoded(PIXELS[2][:4])]
    words = (
        r"image in row 2 is 4 x 5 in colour, and the first is 6 x 5 in colour; .*data.transform.size=\[6,5\]"
    )
    with pytest.raises(UserError, match=words):
        raw(*images)
    with pytest.raises(UserError, match=words):
        image().arrange(files(images), lambda size: True)


@pytest.mark.parametrize(
    ("source", "changes", "rule", "remedy"),
    [
        ([PIXELS[0], PIXELS[0][..., 0]], {}, "image in row 1 is 6 x 5 in grey", "data.transform.channels=3"),
        (["none.png"], {}, "there is no image none.png", "check the paths, which are relative"),
        ([PIXELS[0], None], {}, "column 'image' must hold a path or an encoded image", "None in row 1"),
        (np.zeros((3, 4), int), {}, "an array (N, C, H, W) of numbers", "photos gives (3, 4) of int64"),
        (np.zeros((2, 4, 3, 3)), {"channels": 3}, "channels=3 cannot be made of images with 4 channels", ""),
    ],
    ids=["grey", "path", "empty", "array", "channels"],
)
def test_what_cannot_become_an_image_is_refused(source, changes, rule, remedy):
    if isinstance(source, list):
        source = files(
            [encoded(image, format="TIFF") if isinstance(image, np.ndarray) else image for image in source]
        )
    else:
        source = stack(source)
    with pytest.raises(UserError) as caught:
        transformed(source, **changes)
    assert rule in str(caught.value)
    assert remedy in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no image", r"it is in no format that Pillow knows"),
        (encoded(PIXELS[0], format="JPEG")[:-60], r"(image file is truncated|Truncated File Read)"),
        (encoded(PIXELS[0])[:-40], r"\w+"),
    ],
    ids=["text", "jpeg", "png"],
)
def test_a_file_that_cannot_be_decoded_is_named(content, words, tmp_path):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(
        UserError, match=rf"image .*a.jpg cannot be decoded: {words}.*; correct the file, or take"
    ):
        raw(str(tmp_path / "a.jpg"))


def test_images_of_another_shape_than_those_of_the_training_are_refused():
    fitted, other = image(), stack(np.zeros((2, 1, 3, 3)))
    fitted.fit(stack(np.zeros((2, 1, 4, 4))), np.arange(2), other.task)
    with pytest.raises(
        UserError, match=r"trained on images of shape \(1, 4, 4\), and photos gives \(1, 3, 3\)"
    ):
        fitted(other)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("size", [3], r"size must be \[height, width\] in pixels or null, got \[3\]"),
        ("size", [3, 0], r"size must be \[height, width\] in pixels or null, got \[3, 0\]"),
        ("statistics", 0, "statistics must be 1 or more images, got 0"),
    ],
)
def test_values_out_of_range_are_refused(name, value, words):
    with pytest.raises(ValueError, match=words):
        image(**{name: value})
