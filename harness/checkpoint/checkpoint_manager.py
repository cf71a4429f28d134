"""Keeper: which checkpoints of a fold are written, and which are kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, final

from harness.checkpoint.checkpoint_file import ENDING, SIDECAR, Torn, remove, write
from harness.checkpoint.latest_checkpoint import Entry, Found, left_in, newest
from harness.core.progress import Progress
from harness.runtime.distributed import share

FOLDER = "checkpoints"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What `checkpoint` in the configuration says; see conf/config.yaml."""

    keep: int
    share: float
    minutes: float | None
    finished: Literal["best", "all", "none"]


@final
class Pace:
    """How much of the training time goes into checkpoints, over all folds of a run.

    Within `with pace:` the time counts as training.
    """

    def __init__(self, settings: Settings) -> None:
        self._share = settings.share
        self._seconds = None if settings.minutes is None else 60 * settings.minutes
        self._trained = self._spent = 0.0
        self._begun = self._written = perf_counter()

    def __enter__(self) -> Pace:
        self._begun = self._written = perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self._trained += perf_counter() - self._begun

    def due(self) -> bool:
        """Whether the last checkpoint is so long ago that the epoch's end is not waited for."""
        waits = self._seconds is None or not self._share
        return not waits and perf_counter() - self._written >= (self._seconds or 0.0)

    def allows(self) -> bool:
        """Whether an epoch's checkpoint is worth its time: the first of the run always is."""
        trained = self._trained + perf_counter() - self._begun
        return self._share > 0 and self._spent <= self._share * trained

    def wrote(self, seconds: float) -> None:
        """A checkpoint took that long."""
        self._spent += seconds
        self._written = perf_counter()


@final
class CheckpointManager:
    """The checkpoints of one fold, in a folder of their own.

    Args:
        folder: is made for the first of them.
        facts: plain values that every checkpoint carries, see `harness.checkpoint.latest_checkpoint`.
        note: takes a sentence that the user must not miss.
        found: what the training goes on from; None for one that begins.
        earlier: the digests that checkpoints of earlier processes of the run may carry.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        pace: Pace,
        facts: Mapping[str, Any],
        note: Callable[[str], None],
        found: Found | None,
        earlier: Collection[str] = (),
    ) -> None:
        self.folder = folder
        self.pace = pace
        self._settings = settings
        self._facts = dict(facts)
        self._note = note
        self._digests = {*earlier, facts["digest"]}
        self._kept: list[Entry] = [] if found is None else list(found.entries)
        self._best = None if found is None else found.best
        self._full = False

    def below(self, name: str) -> tuple[CheckpointManager, Any]:
        """The keeper of another training of the same fold, and the state that it goes on from, or None.

        Its folder is `<name>/checkpoints` below the fold's own.
        """
        folder = self.folder.parent / name / FOLDER
        try:
            found = newest(folder, self._facts["fold"], self._digests)
        except Torn as error:
            self._note(f"{error}: what it belongs to starts afresh.")
            found = None
        manager = CheckpointManager(
            folder, self._settings, self.pace, self._facts, self._note, found, self._digests
        )
        return manager, None if found is None else found.state

    def see(self, progress: Progress, state: Callable[[], Any], stopping: bool) -> None:
        """Writes a checkpoint where one is worth it; what cannot be written costs a note, never the training.

        Args:
            state: makes what is to be written; asked only then.
            stopping: whether the training ends here, and this is what it goes on from.
        """
        if progress.whole and progress.best:
            self._best = progress.epoch
        # All processes do as rank 0 does, whose clock is not theirs: the state may be put together by all.
        if not share(stopping or not progress.whole or self.pace.allows()):
            return
        began = perf_counter()
        try:
            self._write(progress, state())
        except (OSError, TypeError) as error:  # the latter: a state that no checkpoint can hold
            if not self._full:
                reason = getattr(error, "strerror", None) or str(error)
                self._note(f"no checkpoint could be written to {self.folder} ({reason}); training goes on.")
            self._full = True
        self.pace.wrote(perf_counter() - began)

    def _write(self, progress: Progress, state: Any) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"epoch-{progress.epoch:04}" if progress.whole else f"step-{progress.step:08}"
        path = self.folder / f"{name}{ENDING}"
        here = {"epoch": progress.epoch, "step": progress.step, "whole": progress.whole, "best": self._best}
        write(path, state, {**self._facts, **here})
        entry = Entry(progress.step, progress.whole, progress.epoch, path)
        self._kept = [*(other for other in self._kept if other.path != path), entry]
        kept = self._kept[-self._settings.keep :] + self._of_best()
        for other in self._kept:
            if other not in kept:
                remove(other.path)
        self._kept = [other for other in self._kept if other in kept]

    def _of_best(self) -> list[Entry]:
        """The checkpoint of the best epoch, if one was written."""
        return [entry for entry in self._kept if entry.whole and entry.epoch == self._best]

    def take_back(self) -> None:
        """Knows again what an earlier process left of a fold that it finished."""
        self._kept, self._best = left_in(self.folder, self._facts["fold"], self._digests)

    def finish(self, keep: bool) -> None:
        """The fold is over: leaves what `checkpoint.finished` says, or nothing where `keep` is false."""
        finished = self._settings.finished if keep else "none"
        left = {"all": self._kept, "best": self._of_best() or self._kept[-1:], "none": []}[finished]
        names = {name for entry in left for name in (entry.path.name, entry.path.name + SIDECAR)}
        if not self.folder.is_dir():
            return
        for path in self.folder.iterdir():
            if ENDING in path.name and path.name not in names:
                path.unlink(missing_ok=True)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()
            if not keep:  # the checkpoints were all that its folder was made for
                with suppress(OSError):
                    self.folder.parent.rmdir()
