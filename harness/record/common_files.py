"""Files that most trials of a sweep have in common: written once, and then linked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from harness.core.fold import Fold
from harness.data.cache.command_scope import current
from harness.runs.fold_rows import parts_of, rows_content
from harness.runs.journal import Journal
from harness.runtime import provenance
from harness.runtime.atomic_file import replace_file


def write_rows(path: Path, folds: Sequence[Fold], rows: int) -> None:
    """As `write_common`, the part of each row in each fold; equal folds are packed once.

    Args:
        rows: of the table.
    """
    parts = hashlib.sha256(parts_of(folds, rows).tobytes())
    parts.update(repr([fold.number for fold in folds]).encode())
    key = f"rows {len(folds)} {rows} {parts.hexdigest()}"
    write_common(path, current().shared(key, lambda: rows_content(folds, rows)))


def write_common(path: Path, content: bytes) -> None:
    """Writes a file, or links it to an equal one that an earlier trial of this process wrote.

    The file is replaced, never changed, because a change would reach the others.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    key = f"file {path.name} {hashlib.sha256(content).hexdigest()}"
    earlier: Path | None = current().values(key)
    if earlier is not None:
        try:
            os.link(earlier, path)
            return
        except OSError:  # it is gone, the path is taken, or the file system has no links
            pass
    with replace_file(path, lasting=False) as draft:
        draft.write_bytes(content)
    current().remember_values(key, path.absolute())


def write_packages(folder: Path, journal: Journal) -> None:
    """Writes the installed packages and their versions, and enters the file in the journal."""
    lines = [f"{name}=={version}\n" for name, version in provenance.packages().items()]
    write_common(folder / "packages.txt", "".join(lines).encode())
    journal.artifact("", "packages.txt")
