"""Files and folders that appear whole or stay as they were."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex


@contextmanager
def replace_file(path: Path, lasting: bool = True) -> Iterator[Path]:
    """Gives the path of a draft beside `path`; at the end of the block the draft takes its place.

    After an exception, `path` is as it was and the draft is gone.

    Args:
        lasting: whether the content must survive a power cut, which costs a flush to the disk.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    draft = _beside(path)
    try:
        yield draft
        if lasting:
            _flush(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_text(path: Path, text: str, lasting: bool = True) -> None:
    """Writes a UTF-8 text file as `replace_file` does."""
    with replace_file(path, lasting) as draft:
        draft.write_text(text, encoding="utf-8")


@contextmanager
def draft_folder(path: Path) -> Iterator[Path]:
    """Gives an empty folder on the disk of `path`, to be filled and passed to `put_folder`.

    What is left of it at the end of the block is removed.

    Raises:
        OSError: the disk is full, or nothing can be written there.
    """
    path = path.absolute()
    # Folders above `path` are made by `put_folder` alone: a draft that is given up leaves none behind.
    place = next(parent for parent in path.parents if parent.exists())
    draft = _beside(place / path.name)
    draft.mkdir()
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def put_folder(draft: Path, path: Path, replace: bool = True) -> None:
    """Moves a draft to `path`.

    Args:
        replace: whether a folder that is there already gives way.

    Raises:
        OSError: the folder cannot be written; or `path` exists, and must not be replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if replace:
        shutil.rmtree(path, ignore_errors=True)  # a folder that holds files cannot be renamed over
    draft.rename(path)


@contextmanager
def replace_folder(path: Path, replace: bool = True) -> Iterator[Path]:
    """Gives an empty folder; at the end of the block it takes the place of `path`, see `put_folder`."""
    with draft_folder(path) as draft:
        yield draft
        put_folder(draft, path, replace)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder survive a power cut, where its file system offers that."""
    with suppress(OSError):
        _flush(folder)


def _beside(path: Path) -> Path:
    """A hidden name that no other process or thread uses."""
    return path.with_name(f".{path.name}.{os.getpid()}-{token_hex(4)}")


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
