"""Checks that the folder of a new run or sweep contains nothing that would be overwritten."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.core.errors import UserError
from harness.core.name_list import listed
from harness.runs.journal import JOURNAL


class FolderTaken(UserError):
    """The folder for a new run, sweep or export contains files of something else.

    Args:
        folder: the folder.
        what: what the folder is for, such as `a run`.
        holds: what is in it, such as `notes.txt`; the end of the sentence.
        remedy: as for `UserError`.
        key: as for `UserError`.
    """

    def __init__(self, folder: Path, what: str, holds: str, remedy: str, key: str) -> None:
        rule = f"{what} needs a folder of its own, and {folder} {holds}"
        super().__init__(rule, remedy, key=key, value=str(folder))
        self.folder = folder


def check_run_folder(folder: Path, resumes: bool = False, besides: Collection[str] = ()) -> None:
    """Checks the folder of a new run: it does not exist, or is empty.

    Args:
        folder: where the run will write.
        resumes: whether the run in the folder may be resumed, so that it may contain a journal.
        besides: names of files and folders that Hydra has made for this run.

    Raises:
        FolderTaken: it contains anything else, or is the root, the home folder, or a folder above it.
    """
    if (folder / JOURNAL).exists():
        if not resumes:
            remedy = "choose another with hydra.run.dir=FOLDER, or remove it"
            raise FolderTaken(folder, "a run", "holds one already", remedy, "hydra.run.dir")
        return
    check_empty(folder, "a run", "choose another with hydra.run.dir=FOLDER", "hydra.run.dir", besides)


@contextmanager
def empty_removed(folder: Path) -> Iterator[None]:
    """At the end of this context, `folder` and the folders above it that were made within it are removed if
    they are empty: a run that is refused leaves none.
    """
    folder = folder.absolute()
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        yield
    finally:
        for place in missing:
            try:
                place.rmdir()
            except FileNotFoundError:
                continue
            except OSError:  # it holds something
                break


def check_empty(folder: Path, what: str, remedy: str, key: str, besides: Collection[str] = ()) -> None:
    """Checks that a folder does not exist, or contains only `besides`.

    Raises:
        FolderTaken: it contains something else, is a file, the root, the home folder, or a folder above it.
    """
    if _protected(folder):
        raise FolderTaken(folder, what, "is the home folder or above it", remedy, key)
    if not folder.exists():
        return
    if not folder.is_dir():
        raise FolderTaken(folder, what, "is a file", remedy, key)
    others = sorted(entry.name for entry in folder.iterdir() if entry.name not in besides)
    if others:
        raise FolderTaken(folder, what, f"contains {listed(others, 1)}", remedy, key)


def _protected(folder: Path) -> bool:
    """Whether a folder is the root, the home folder, or above the home folder; links are resolved."""
    try:
        home = Path.home().resolve()
    except RuntimeError:  # a user without a home
        home = Path("/")
    return home.is_relative_to(folder.resolve())
