import logging

import numpy as np
import pytest

from harness.core.errors import UserError

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 255, (6, 4, 5, 3), dtype=np.uint8)  # channels last
LABELS = np.array(["cat", "dog"] * 3)


def refuse(make, words, **changes):
    with pytest.raises(UserError, match=words) as found:
        make("numpy", **changes)()
    assert str(found.value).count(". ") == 0


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "scans.npz"
    np.savez(
        path, inputs=IMAGES, targets=LABELS, groups=np.arange(6) // 2, ids=np.arange(6) + 10, flat=np.eye(6)
    )
    return str(path)


def test_an_archive_has_its_roles_by_their_names(make, archive):
    table = make("numpy", path=archive, kind="image", layout="channels_last")()
    assert np.array_equal(table.array, IMAGES.transpose(0, 3, 1, 2))
    assert table.array.dtype == np.uint8
    assert (table.target, table.group, table.id, table.features) == (("target",), "group", "id", ())
    assert table.labels.tolist() == LABELS.tolist()
    assert table.groups.tolist() == [0, 0, 1, 1, 2, 2]
    assert table.frame["id"].tolist() == [10, 11, 12, 13, 14, 15]
    assert (table.name, table.source, len(table)) == ("scans", archive, 6)


@pytest.mark.parametrize(
    ("shape", "layout", "doubted"),
    [
        ((6, 4, 5, 3), "channels_first", False),
        ((6, 8, 9, 3), "channels_first", True),
        ((6, 8, 9, 3), "channels_last", False),
        ((6, 3, 8, 9), "channels_last", True),
        ((6, 12, 8, 9), "channels_first", False),
    ],
)
def test_a_layout_of_more_channels_than_the_other_would_have_is_doubted(
    make, tmp_path, caplog, shape, layout, doubted
):
    np.save(tmp_path / "x.npy", np.zeros(shape, dtype=np.uint8))
    np.save(tmp_path / "y.npy", LABELS)
    source = {"path": str(tmp_path / "x.npy"), "targets": str(tmp_path / "y.npy")}
    with caplog.at_level(logging.WARNING, logger="harness"):
        make("numpy", **source, kind="image", layout=layout)()
    words = f"data.extract.layout={layout} takes images of shape {shape} to have"
    assert [message.startswith(words) for message in caplog.messages] == [True] * doubted


def test_arrays_of_an_archive_may_have_other_names(make, archive):
    table = make("numpy", path=archive, inputs="flat", targets="ids", group="target", target="group")()
    assert np.array_equal(table.array, np.eye(6))
    assert (table.target, table.group) == (("group",), "target")
    assert table.groups.tolist() == [10, 11, 12, 13, 14, 15]
    words = r"data.extract.targets names the array 'target', which .* does not have; did you mean targets\?"
    refuse(make, words, path=archive, inputs="flat", targets="target")
    words = "data.extract.inputs names the array 'x', which .* there are flat, groups"
    refuse(make, words, path=archive, inputs="x")


def test_files_are_memory_mapped_and_channels_last_is_a_view(make, tmp_path):
    np.save(tmp_path / "x.npy", IMAGES)
    np.save(tmp_path / "y.npy", LABELS)
    extractor = make(
        "numpy",
        inputs=str(tmp_path / "x.npy"),
        targets=str(tmp_path / "y.npy"),
        kind="image",
        layout="channels_last",
    )
    table = extractor()
    assert isinstance(table.array, np.memmap)
    assert isinstance(table.array.base, np.memmap)  # a view of the file
    assert table.array.shape == (6, 3, 4, 5)
    assert table.labels.tolist() == LABELS.tolist()
    assert table.name == "x"


def test_a_file_alone_is_features_without_labels(make, tmp_path):
    np.save(tmp_path / "x.npy", np.ones((5, 2), dtype=np.float32))
    table = make("numpy", path=str(tmp_path / "x.npy"))()
    assert (len(table), table.target, list(table.frame.columns)) == (5, (), [])
    assert table.array.shape == (5, 2)


def test_grey_images_may_lack_the_channel_and_sequences_have_three_dimensions(make, tmp_path):
    path = str(tmp_path / "x.npy")
    np.save(path, IMAGES[..., 0])
    assert make("numpy", path=path, kind="image")().array.shape == (6, 1, 4, 5)
    assert make("numpy", path=path, kind="sequence")().array.shape == (6, 4, 5)


def test_several_targets_are_several_columns(make, tmp_path):
    path = str(tmp_path / "x.npz")
    np.savez(path, inputs=np.eye(3), targets=np.array([[0.5, 1], [2, 3], [4, 5]]))
    table = make("numpy", path=path)()
    assert table.target == ("target_0", "target_1")
    assert table.frame["target_1"].tolist() == [1, 3, 5]
    assert table.task.columns == ("target_0", "target_1")


@pytest.mark.parametrize(
    ("shape", "kind", "words"),
    [
        ((6, 4, 5), "table", r"shape \(N, F\), got \(6, 4, 5\); set data.extract.kind=sequence."),
        ((6, 4), "image", r"shape \(N, C, H, W\), got \(6, 4\); set data.extract.kind=table."),
        ((6,), "sequence", r"shape \(N, T, F\), got \(6,\); give them that shape."),
    ],
)
def test_features_of_another_shape_are_refused(make, tmp_path, shape, kind, words):
    np.save(tmp_path / "x.npy", np.zeros(shape))
    refuse(
        make, f"data.extract.kind={kind} needs features of {words}", path=str(tmp_path / "x.npy"), kind=kind
    )


def test_features_that_are_no_numbers_are_refused(make, tmp_path):
    np.save(tmp_path / "x.npy", np.array([["a", "b"]]))
    refuse(make, "features must be numbers, got an array of <U1; store them", path=str(tmp_path / "x.npy"))


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_python_objects_are_never_unpickled(make, tmp_path, name):
    objects = np.array([[{"a": 1}]], dtype=object)
    if name == "x.npy":
        np.save(tmp_path / name, objects)
    else:
        np.savez(tmp_path / name, inputs=objects)
    words = "data.extract.inputs is an array of Python objects in .*, which only unpickling could read; store"
    refuse(make, words, path=str(tmp_path / name))


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        (
            np.zeros(5),
            r"must be of shape \(N,\) or \(N, T\) with N = 6 as the features, got \(5,\); store one",
        ),
        (np.zeros((6, 1, 1)), r"must be of shape \(N,\) or \(N, T\) .* got \(6, 1, 1\)"),
        (np.array(1), r"must be of shape .* got \(\); store"),
    ],
)
def test_targets_that_do_not_fit_the_features_are_refused(make, tmp_path, targets, words):
    np.savez(tmp_path / "x.npz", inputs=np.eye(6), targets=targets)
    refuse(make, f"data.extract.targets {words}", path=str(tmp_path / "x.npz"))


def test_a_file_that_is_no_array_is_refused(make, tmp_path):
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\x00v")
    words = "data.extract.inputs cannot be read, because .*x.npy is no whole .npy or .npz file; save it anew."
    refuse(make, words, path=str(tmp_path / "x.npy"))


def test_what_names_no_file_or_two_is_refused(make, tmp_path):
    np.save(tmp_path / "x.npy", np.eye(2))
    path = str(tmp_path / "x.npy")
    words = (
        "data.extract.path needs the file to read; give data.extract.path=FILE.npz, or data.extract.inputs="
    )
    refuse(make, words)
    refuse(
        make, "data.extract.path and data.extract.inputs both name a file of features", path=path, inputs=path
    )
    refuse(make, "data.extract.targets=.*z.npy does not exist", path=path, targets=str(tmp_path / "z.npy"))


def test_an_array_under_the_ending_of_an_archive_is_refused(make, tmp_path):
    with (tmp_path / "x.npz").open("wb") as stream:
        np.save(stream, np.eye(2))
    refuse(make, "x.npz is no archive; name it with the ending .npy.", path=str(tmp_path / "x.npz"))


def test_infinite_features_are_refused_or_missing(make, tmp_path):
    path = str(tmp_path / "x.npy")
    np.save(path, np.array([[1.0, np.inf], [2.0, 3.0]]))
    refuse(make, r"the features of x hold inf in row 0 at \[1\]", path=path)
    assert np.isnan(make("numpy", path=path, infinite="missing")().array[0, 1])


def test_the_fingerprint_covers_every_file(make, tmp_path):
    for name in ("x", "y"):
        np.save(tmp_path / f"{name}.npy", np.eye(2))
    extractor = make("numpy", inputs=str(tmp_path / "x.npy"), targets=str(tmp_path / "y.npy"))
    before = extractor.fingerprint()
    assert before == extractor.fingerprint()
    np.save(tmp_path / "y.npy", np.ones((2, 2)))
    assert extractor.fingerprint() != before
