"""Files: where a comparison is written to, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from harness.compare.compare_runs import Comparison
from harness.compare.html_page import page
from harness.core.errors import UserError
from harness.runs.run_result import write_text


def check_file(path: Path) -> None:
    """Refuses, before any work, a file that could not be written.

    Raises:
        UserError: its folder is missing or closed, or it is a folder itself.
    """
    folder = path.absolute().parent
    if path.is_dir():
        raise UserError(f"{path} is a folder, and a file is to be written; name a file in it.")
    if not folder.is_dir():
        raise UserError(
            f"{path} cannot be written, for there is no folder {folder}; make it, or name another file."
        )
    if not os.access(folder, os.W_OK):
        raise UserError(f"{path} cannot be written, for its folder is read-only; name a file elsewhere.")


def write_csv(found: Comparison, path: Path) -> Path:
    """A line per line of the leaderboard, with everything that is known of it.

    Raises:
        UserError: the disk is full, or the folder cannot be written.
    """
    return _write(path, found.board.frame().to_csv(index=False))


def write_html(found: Comparison, path: Path) -> Path:
    """The page; see `page`.

    Raises:
        UserError: the disk is full, or the folder cannot be written.
    """
    return _write(path, page(found))


def _write(path: Path, text: str) -> Path:
    try:
        write_text(path, text)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); name another file.") from error
    return path
