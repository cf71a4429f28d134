"""Errand: one run that the clerk follows, with its lock and its patience."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from harness.tracking.journal_upload import Feed

LOCK = "tracking.lock"

_SLICE = 1.0
_FIRST_DELAY, _LONGEST_DELAY, _LAST_DELAY = 0.5, 15.0, 2.0
_GRACE = 2.0


def lock(folder: Path) -> FileLock:
    """Held by whoever feeds the folder's journal; the system frees it when the holder dies."""
    return FileLock(folder / LOCK)


class Errand:
    """Works in slices of about a second, and waits longer after each failure (0.5 s … 15 s)."""

    def __init__(self, folder: Path, uri: str, experiment: str, outputs: Path) -> None:
        self.folder = folder
        self._place = (uri, experiment, outputs)
        self._lock = lock(folder)
        self._feed: Feed | None = None
        self._delay = 0.0
        self._next = 0.0
        self._alone_since: float | None = None

    def work(self, now: float, alone: bool) -> bool:
        """Sends some of what is new. True: nothing will follow, forget the errand.

        Args:
            now: a monotonic time in seconds.
            alone: the process that gave the errand is gone.
        """
        if now < self._next:
            return False
        try:
            done = self._step(now, alone)
            self._delay = 0.0
        except Timeout:  # another process feeds this folder: a `sync`, or the clerk of an earlier try
            self._next = now + _FIRST_DELAY
            return False
        except Exception as error:
            if not self.folder.exists():
                return True
            if self._feed is not None:
                self._feed.report(error)
            longest = _LAST_DELAY if alone else _LONGEST_DELAY
            self._delay = min(longest, self._delay * 2 or _FIRST_DELAY)
            self._next = now + self._delay
            return False
        if done:
            self.leave()
        return done

    def leave(self) -> None:
        """Lets others feed the folder."""
        self._lock.release()

    def hurry(self) -> None:
        """Somebody is waiting: the next try is due at once."""
        self._delay = self._next = 0.0

    def _step(self, now: float, alone: bool) -> bool:
        if not self._lock.is_locked:
            self._lock.acquire(timeout=0)
        if self._feed is None:
            self._feed = Feed(self.folder, *self._place)
        caught_up = self._feed.advance(_SLICE)
        if self._feed.finished:
            return True
        if not (alone and caught_up):
            return False
        if self._feed.writer_lives is False:
            self._feed.abandon()
            return True
        # The writer is only about to die, or it is another: the run was resumed under a clerk of its own.
        self._alone_since = now if self._alone_since is None else self._alone_since
        return now - self._alone_since > _GRACE
