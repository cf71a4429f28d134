"""Store: folders by key, each of which appears whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from harness.runtime.atomic_file import draft_folder, put_folder
from harness.runtime.stored_file import DamagedFile, read_json

SEAL = "sizes.json"
"""The last file of an entry: size and digest of every other, which show an incomplete or damaged file."""

_LARGEST_DIGESTED = 16_000_000
"""Bytes of a file up to which its content is compared; of a larger one, the size only."""

_STALE = 24 * 3600
"""Seconds after which what a killed process left half-written, or kept for its command alone, may go."""


class Store:
    """Entries in one folder, shared by processes, the least recently used removed first.

    Args:
        folder: is created by the first entry.
        limit: bytes of all entries together.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit

    def find(self, key: str) -> Path | None:
        """The entry's folder, marked as just used; None where there is none, or a damaged one."""
        entry = self.folder / key
        try:
            sealed: dict[str, list[Any]] = read_json(entry / SEAL, dict[str, list[int | str | None]])
            if any(_seal(entry / name) != seal for name, seal in sealed.items()):
                return None
            os.utime(entry)
        except (OSError, DamagedFile):
            return None
        return entry

    def keep(self, key: str, write: Callable[[Path], None]) -> int:
        """Writes an entry; an older one of that key is replaced. Returns its size in bytes.

        Nothing is kept that is larger than the limit.

        Raises:
            OSError: the disk is full, or the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with draft_folder(self.folder / key) as partial:
            write(partial)
            files = _files(partial)
            sealed = {str(file.relative_to(partial)): _seal(file) for file in files}
            size = sum(file.stat().st_size for file in files)
            (partial / SEAL).write_text(json.dumps(sealed))
            if size <= self.limit:
                self.drop(key)
                put_folder(partial, self.folder / key)
                self._trim()
            return size

    def drop(self, prefix: str) -> None:
        """Removes the entries whose key begins so. Who has one open reads on: the file lives until then."""
        for entry in self.folder.glob(f"{prefix}*"):
            shutil.rmtree(entry, ignore_errors=True)

    @contextmanager
    def making(self, key: str) -> Iterator[None]:
        """One process of this machine at a time: the others wait, and then find what it made.

        The locks lie in the system's temporary folder, so that a command that is refused leaves nothing
        where the user looks. They are few, because keys share them. Where they cannot be made, nobody
        waits, and what several make at once is the same.
        """
        import hashlib

        from filelock import FileLock

        place = hashlib.sha256(f"{self.folder.absolute()}/{key}".encode()).hexdigest()[:2]
        locks = Path(tempfile.gettempdir()) / f"harness-{_user()}"
        with ExitStack() as held:
            with suppress(OSError):
                locks.mkdir(exist_ok=True)
                held.enter_context(FileLock(locks / f"{place}.lock"))
            yield

    def _trim(self) -> None:
        """Removes the least recently used entries until the rest is within the limit."""
        used = 0
        entries = [entry for entry in self.folder.iterdir() if entry.is_dir()]
        for entry in sorted(entries, key=_last_used, reverse=True):
            partial = entry.name.startswith(".")
            if partial and time.time() - _last_used(entry) < _STALE:
                continue  # another process is writing it
            used += sum(_size(file) for file in _files(entry))
            if partial or used > self.limit:
                shutil.rmtree(entry, ignore_errors=True)


def _user() -> str:
    """Tells users apart by number: within a container one may have no name."""
    return str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "")


def _seal(file: Path) -> list[Any]:
    """Returns the size of a file, and the digest of its content unless the file is large."""
    import hashlib

    size = file.stat().st_size
    if size > _LARGEST_DIGESTED:
        return [size, None]
    return [size, hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()]


def _files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0  # another process has removed it


def _last_used(entry: Path) -> float:
    try:
        return entry.stat().st_mtime
    except OSError:
        return 0.0
