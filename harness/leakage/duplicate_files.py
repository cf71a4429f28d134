"""Finds files with the same bytes; files with a unique size are not read."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np


def same_files(paths: Iterable[str | Path]) -> np.ndarray:
    """(N,) int64, the same number for files with the same bytes.

    An unreadable file gets a number of its own; the transform, which needs the file, reports the error.
    """
    sizes: dict[int, list[int]] = defaultdict(list)
    known = list(paths)
    for position, path in enumerate(known):
        try:
            sizes[os.stat(path).st_size].append(position)
        except OSError:
            continue
    numbers = np.arange(len(known), dtype=np.int64)
    for alike in sizes.values():
        first: dict[bytes, int] = {}
        for position in alike if len(alike) > 1 else ():
            digest = _digest(known[position])
            if digest is not None:
                numbers[position] = first.setdefault(digest, position)
    return numbers


def _digest(path: str | Path) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "blake2b").digest()
    except OSError:
        return None
