"""The upload of one run by the uploader, with its lock and its waits after failures."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from harness.tracking.journal_upload import JournalUpload

LOCK = "tracking.lock"

_SLICE = 1.0
_FIRST_DELAY, _LONGEST_DELAY, _LAST_DELAY = 0.5, 15.0, 2.0
_GRACE = 2.0


def lock(folder: Path) -> FileLock:
    """Held by the process that uploads the folder's journal; released by the system when it dies."""
    return FileLock(folder / LOCK)


class UploadTask:
    """Works in slices of about a second, and waits longer after each failure (0.5 s … 15 s)."""

    def __init__(self, folder: Path, uri: str, experiment: str, outputs: Path) -> None:
        self.folder = folder
        self._place = (uri, experiment, outputs)
        self._lock = lock(folder)
        self._upload: JournalUpload | None = None
        self._delay = 0.0
        self._next = 0.0
        self._alone_since: float | None = None

    def work(self, now: float, alone: bool) -> bool:
        """Sends some new events. True if nothing will follow, so that the task can be removed.

        Args:
            now: a monotonic time in seconds.
            alone: whether the training process has ended.
        """
        if now < self._next:
            return False
        try:
            done = self._step(now, alone)
            self._delay = 0.0
        except Timeout:  # another process uploads this folder: `sync`, or an earlier uploader
            self._next = now + _FIRST_DELAY
            return False
        except Exception as error:
            if not self.folder.exists():
                self.leave()
                return True
            if self._upload is not None:
                with suppress(OSError):  # on a full disk the reason cannot be stored either
                    self._upload.report(error)
            longest = _LAST_DELAY if alone else _LONGEST_DELAY
            self._delay = min(longest, self._delay * 2 or _FIRST_DELAY)
            self._next = now + self._delay
            return False
        if done:
            self.leave()
        return done

    def leave(self) -> None:
        """Releases the lock, so that others can upload the folder."""
        self._lock.release()

    def hurry(self) -> None:
        """Makes the next try due at once, because a process waits for it."""
        self._delay = self._next = 0.0

    def _step(self, now: float, alone: bool) -> bool:
        if not self._lock.is_locked:
            if not self.folder.is_dir():  # the lock would make a folder again that was removed
                return True
            self._lock.acquire(timeout=0)
        if self._upload is None:
            self._upload = JournalUpload(self.folder, *self._place)
        caught_up = self._upload.advance(_SLICE)
        if self._upload.finished:
            return True
        if not (alone and caught_up):
            return False
        if self._upload.writer_lives is False:
            self._upload.abandon()
            return True
        # The writer is still ending, or the run was resumed by a process with an uploader of its own.
        self._alone_since = now if self._alone_since is None else self._alone_since
        return now - self._alone_since > _GRACE
