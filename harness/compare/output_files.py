"""The files that a comparison is written to."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from harness.compare.compare_runs import Comparison
from harness.compare.html_page import comparison_page
from harness.core.errors import UserError
from harness.runtime.atomic_file import write_text


def check_file(path: Path) -> None:
    """Refuses a file that could not be written, before any work is done.

    Raises:
        UserError: its folder is missing or read-only, or it is a folder itself.
    """
    folder = path.absolute().parent
    if path.is_dir():
        raise UserError(f"the output must be a file, and {path} is a folder", "name a file in it", value=path)
    if not folder.is_dir():
        raise UserError(
            f"{path} cannot be written: there is no folder {folder}",
            "create it, or name another file",
            value=path,
        )
    if not os.access(folder, os.W_OK):
        raise UserError(
            f"{path} cannot be written: its folder is read-only", "name a file elsewhere", value=path
        )


def write_csv(comparison: Comparison, path: Path) -> Path:
    """Writes the leaderboard with all its values.

    Raises:
        UserError: the disk is full, or the folder cannot be written.
    """
    return _write(path, pd.concat([board.frame() for board in comparison.boards]).to_csv(index=False))


def write_html(comparison: Comparison, path: Path) -> Path:
    """Writes the page.

    Raises:
        UserError: the disk is full, or the folder cannot be written.
    """
    return _write(path, comparison_page(comparison))


def _write(path: Path, text: str) -> Path:
    try:
        write_text(path, text)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror})", "name another file", value=path
        ) from error
    return path
