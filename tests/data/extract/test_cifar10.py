import hashlib
import io
import os
import pickle
import tarfile

import numpy as np
import pytest

from harness.core.errors import UserError

NAMES = [b"airplane", b"automobile", b"bird"]
MEMBERS = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
PIXELS = np.random.default_rng(0).integers(0, 256, (12, 3072), dtype=np.uint8)
LABELS = [0, 1, 2] * 4


def batch(position):
    rows = slice(2 * position, 2 * position + 2)
    return {b"data": PIXELS[rows], b"labels": LABELS[rows], b"batch_label": b"a batch"}


def archive(path, **changes):
    """An archive of the published form, with two photographs in each batch; gives its MD5."""
    content = (
        {"batches.meta": {b"label_names": NAMES}} | {m: batch(i) for i, m in enumerate(MEMBERS)} | changes
    )
    with tarfile.open(path, "w:gz") as tar:
        for name, value in content.items():
            data = value if isinstance(value, bytes) else pickle.dumps(value, protocol=2)
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return hashlib.md5(path.read_bytes()).hexdigest()


def refuse(make, words, **changes):
    with pytest.raises(UserError, match=words) as found:
        make("cifar10", **changes)()
    assert str(found.value).count(". ") == 0


def test_the_batches_are_one_array_with_labels_and_parts(make, tmp_path):
    checksum = archive(tmp_path / "a.tar.gz")
    table = make("cifar10", path=str(tmp_path / "a.tar.gz"), checksum=checksum)()
    assert np.array_equal(table.array, PIXELS.reshape(12, 3, 32, 32))
    assert table.array.dtype == np.uint8
    assert table.labels.tolist() == ["airplane", "automobile", "bird"] * 4
    assert table.frame["part"].tolist() == ["train"] * 10 + ["test"] * 2
    assert (table.name, table.kind, table.features) == ("cifar10", "image", ())
    assert table.task.classes == ("airplane", "automobile", "bird")


def test_the_checksum_of_the_published_archive_is_the_default(make, tmp_path):
    path = tmp_path / "a.tar.gz"
    found = archive(path)
    refuse(
        make,
        f"a.tar.gz has the MD5 {found} and not c58f30108f718f92721af3b95e74349a, so that it is damaged or "
        "another file; download it again, or set data.extract.checksum=null.",
        path=str(path),
    )
    assert len(make("cifar10", path=str(path), checksum=None)()) == 12


def python_2(array):
    """An array as NumPy 1 pickled it under Python 2, with the flags of its dtype as numbers."""
    header = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    kind = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    data = array.tobytes()
    shape = b"K" + bytes([len(array)]) + b"M" + (3072).to_bytes(2, "little") + b"\x86"
    state = b"(K\x01" + shape + kind + b"\x89T" + len(data).to_bytes(4, "little") + data + b"tb"
    return header + state


def test_arrays_pickled_by_python_2_are_read(make, tmp_path):
    labels = b"U\x06labels](K\x00K\x01e"
    old = python_2(PIXELS[:2]).replace(b"\x80\x02", b"\x80\x02}(U\x04data", 1) + labels + b"u."
    archive(tmp_path / "a.tar.gz", data_batch_1=old)
    table = make("cifar10", path=str(tmp_path / "a.tar.gz"), checksum=None)()
    assert np.array_equal(table.array, PIXELS.reshape(12, 3, 32, 32))


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("harm",)


def test_a_pickle_that_would_run_code_is_refused_unrun(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    archive(tmp_path / "a.tar.gz", test_batch={b"data": Harmful()})
    words = "is not the archive of CIFAR-10 for Python: it names posix.mkdir, which is not allowed; name"
    refuse(make, words, path="a.tar.gz", checksum=None)
    assert not (tmp_path / "harm").exists()


def test_bytes_are_rebuilt_by_no_other_codec(make, tmp_path):
    bomb = b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x04\x00\x00\x00zlib\x86R."
    archive(tmp_path / "a.tar.gz", test_batch=bomb)
    refuse(make, "the encoding .*zlib.* is not allowed", path=str(tmp_path / "a.tar.gz"), checksum=None)


@pytest.mark.parametrize(
    "content", [{b"data": PIXELS[:2]}, [1], b"no pickle", {b"data": PIXELS[:2], b"labels": [0, 7]}], ids=str
)
def test_an_archive_of_another_form_is_refused(make, tmp_path, content):
    archive(tmp_path / "a.tar.gz", test_batch=content)
    words = (
        "a.tar.gz is not the archive of CIFAR-10 for Python: .*; name cifar-10-python.tar.gz from https://"
    )
    refuse(make, words, path=str(tmp_path / "a.tar.gz"), checksum=None)


def test_a_file_that_is_no_archive_is_refused(make, tmp_path):
    (tmp_path / "a.tar.gz").write_text("no archive")
    refuse(make, "is not the archive of CIFAR-10", path=str(tmp_path / "a.tar.gz"), checksum=None)


def test_a_missing_path_and_a_malformed_checksum_are_refused(make):
    refuse(make, "data.extract.path needs the archive of CIFAR-10; download cifar-10-python.tar.gz from")
    refuse(make, "data.extract.checksum must be 32 hexadecimal digits or null, got 'abc'", checksum="abc")


def test_the_fingerprint_is_that_of_the_archive(make, tmp_path):
    archive(tmp_path / "a.tar.gz")
    extractor = make("cifar10", path=str(tmp_path / "a.tar.gz"))
    before = extractor.fingerprint()
    archive(tmp_path / "a.tar.gz", test_batch=batch(0))
    assert extractor.fingerprint() != before
