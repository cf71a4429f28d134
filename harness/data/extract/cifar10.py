"""Cifar10: 60,000 colour photographs of 32 x 32 pixels in ten classes, from the published archive.

Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.core.errors import UserError
from harness.core.table import Table
from harness.data.extract import source_files
from harness.data.extract.file_fingerprint import fingerprint
from harness.data.extract.source import Source

_FOLDER = "cifar-10-batches-py"
_TRAIN = tuple(f"data_batch_{i}" for i in range(1, 6))
_KEY = "data.extract.path"

_FAULTS = (tarfile.TarError, pickle.UnpicklingError, OSError, EOFError, LookupError, TypeError, ValueError)
"""Exceptions that an archive of another form may raise."""


class Cifar10(Source):
    """The photographs as an array (60000, 3, 32, 32) uint8, and two columns: `label`, `part`.

    `label` is the name of the class, `part` is "train" for the 50,000 rows that the authors train on,
    which come first, and "test" for the others: `split=predefined`. The arguments
    not named here are those of `Source`.

    Args:
        path: the archive cifar-10-python.tar.gz; never downloaded.
        checksum: the MD5 that it must have, 32 hexadecimal digits; None: not verified.
    """

    def __init__(self, *, path: str | None, checksum: str | None, **roles: Any) -> None:
        super().__init__(**roles)
        if checksum is not None and (len(checksum) != 32 or set(checksum.lower()) - set("0123456789abcdef")):
            raise ValueError(f"checksum must be 32 hexadecimal digits or null, got {checksum!r}")
        self.path, self.checksum = path, checksum

    def __call__(self) -> Table:
        """Raises UserError: no such file, another checksum, or an archive of another form."""
        path = self._path()
        if self.checksum is not None:
            _require_checksum(path, self.checksum.lower())
        try:
            images, labels, parts = _read(path)
        except _FAULTS as fault:
            raise UserError(
                f"{_KEY}={path} is not the archive of CIFAR-10 for Python: {' '.join(str(fault).split())}",
                "name cifar-10-python.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html",
                key=_KEY,
            ) from None
        frame = pd.DataFrame({"label": labels, "part": parts})
        return self.roles.assign(frame, self.name or "cifar10", str(self.path), images)

    def fingerprint(self) -> str:
        """Of the archive, see `harness.data.extract.file_fingerprint.fingerprint`."""
        return fingerprint([self._path()])

    def _path(self) -> Path:
        if self.path is None:
            raise UserError(
                f"{_KEY} needs the archive of CIFAR-10",
                "download cifar-10-python.tar.gz from "
                f"https://www.cs.toronto.edu/~kriz/cifar.html and give {_KEY}=FILE",
                key=_KEY,
            )
        return source_files.file(self.path, _KEY)


def _require_checksum(path: Path, expected: str) -> None:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "md5").hexdigest()
    if digest != expected:
        raise UserError(
            f"{_KEY}={path} has the MD5 {digest} and not {expected}, so that it is damaged or another file",
            "download it again, or set data.extract.checksum=null",
            key=_KEY,
        )


def _read(path: Path) -> tuple[np.ndarray, list[str], list[str]]:
    images, labels, parts = [], [], []
    with tarfile.open(path) as archive:
        names = [name.decode() for name in _unpickled(archive, "batches.meta")[b"label_names"]]
        for member in (*_TRAIN, "test_batch"):
            batch = _unpickled(archive, member)
            images.append(np.asarray(batch[b"data"], dtype=np.uint8).reshape(-1, 3, 32, 32))
            labels += [names[code] for code in batch[b"labels"]]
            parts += ["test" if member == "test_batch" else "train"] * len(batch[b"labels"])
    return np.concatenate(images), labels, parts


def _unpickled(archive: tarfile.TarFile, member: str) -> dict[bytes, Any]:
    stream = archive.extractfile(f"{_FOLDER}/{member}")
    if stream is None:
        raise ValueError(f"{member} is no file")
    content = _ArrayUnpickler(io.BytesIO(stream.read()), encoding="bytes").load()
    if not isinstance(content, dict):
        raise ValueError(f"{member} holds no mapping")
    return content


def _dtype(name: Any, align: Any = False, copy: Any = False) -> np.dtype[Any]:
    """In the files align and copy are 0 and 1, which NumPy will no longer accept."""
    dtype: np.dtype[Any] = np.dtype(name, align=bool(align), copy=bool(copy))
    return dtype


def _encode(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes for Python 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"the encoding {encoding!r} is not allowed")
    return text.encode("latin1")


class _ArrayUnpickler(pickle.Unpickler):
    """Accepts only what arrays, lists, numbers and bytes are rebuilt from; nothing that could run code."""

    def find_class(self, module: str, name: str) -> Any:
        admitted = {
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): _dtype,
            ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
            ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
            ("_codecs", "encode"): _encode,
        }
        if (module, name) not in admitted:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not allowed")
        return admitted[module, name]
