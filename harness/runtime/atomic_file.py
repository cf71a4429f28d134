"""Atomic writes: a file or folder appears complete, or stays as it was."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex


@contextmanager
def replace_file(path: Path, lasting: bool = True) -> Iterator[Path]:
    """Yields the path of a temporary file beside `path`, which replaces `path` at the end of the block.

    After an exception, `path` is unchanged and the temporary file is removed.

    Args:
        lasting: whether the content must survive a power cut; this needs a flush to the disk.

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


def write_new(path: Path, content: bytes, lasting: bool = True) -> None:
    """Writes a file that does not exist yet; of several processes that try, one succeeds.

    Raises:
        FileExistsError: the file exists.
        OSError: the disk is full, or the folder cannot be written.
    """
    draft = _beside(path)
    try:
        draft.write_bytes(content)
        if lasting:
            _flush(draft)
        try:
            # Unlike a rename it fails where the file exists, on network file systems too.
            os.link(draft, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            with path.open("xb") as file:
                file.write(content)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def draft_folder(path: Path) -> Iterator[Path]:
    """Yields an empty folder on the disk of `path`, to be filled and passed to `put_folder`.

    If it was not moved, it is removed at the end of the block.

    Raises:
        OSError: the disk is full, or nothing can be written there.
    """
    path = path.absolute()
    # Only `put_folder` makes the folders above `path`, so that an abandoned draft leaves none behind.
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
        replace: whether an existing folder is replaced.

    Raises:
        OSError: the folder cannot be written, or `path` exists and `replace` is false.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if replace:
        shutil.rmtree(path, ignore_errors=True)  # a folder that holds files cannot be renamed over
    draft.rename(path)


@contextmanager
def replace_folder(path: Path, replace: bool = True) -> Iterator[Path]:
    """Yields an empty folder, which replaces `path` at the end of the block, see `put_folder`."""
    with draft_folder(path) as draft:
        yield draft
        put_folder(draft, path, replace)


def sync_folder(folder: Path) -> None:
    """Flushes the names in a folder to the disk, if its file system supports that."""
    with suppress(OSError):
        _flush(folder)


def _beside(path: Path) -> Path:
    """Returns a hidden name that no other process or thread uses."""
    return path.with_name(f".{path.name}.{os.getpid()}-{token_hex(4)}")


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
