"""A fingerprint of files that changes whenever one of them changes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from pathlib import Path

RACY_NS = 2_000_000_000
"""A file younger than this may change again without a change of its time stamp."""

SMALL = 16_000_000
"""Up to this total size in bytes, file contents are read for the fingerprint (takes some 10 ms)."""


def fingerprint(paths: Iterable[Path]) -> str:
    """A SHA-256 (64 hexadecimal digits) that identifies these files in this order.

    For each file: the absolute path, and the content if all files together are small. For larger files:
    size, times of change in nanoseconds, and inode; but the content if the file changed within the last two
    seconds, because a second change may leave all of these unchanged ("racily clean" in git's index).
    """
    files = list(paths)
    small = sum(path.stat().st_size for path in files) <= SMALL
    digest = hashlib.sha256()
    for path in files:
        digest.update(repr((str(path.absolute()), _identity(path, small))).encode())
    return digest.hexdigest()


def _identity(path: Path, small: bool) -> tuple[int | str, ...]:
    stat = path.stat()
    if small or time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) < RACY_NS:
        with path.open("rb") as stream:
            return (hashlib.file_digest(stream, "sha256").hexdigest(),)
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino
