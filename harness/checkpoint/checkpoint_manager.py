"""Decides which checkpoints of a fold are written, and which are kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, final

from harness.checkpoint.checkpoint_file import ENDING, SIDECAR, DamagedCheckpoint, remove, write
from harness.checkpoint.latest_checkpoint import Entry, LatestCheckpoint, left_in, newest
from harness.core.progress import Progress
from harness.runtime.process_group import broadcast

FOLDER = "checkpoints"

_FIRST = 0.005
"""Seconds that the first checkpoint of a small network takes."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of `checkpoint` in conf/config.yaml, where they are documented."""

    keep: int
    share: float
    minutes: float | None
    finished: Literal["best", "last", "all", "none"]


@final
class Pace:
    """Limits the share of the training time that is spent on checkpoints, over all folds of a run.

    Time within `with pace:` counts as training.

    Args:
        early: whether the first checkpoint is written however short the training was; a trial of a tenth of a
            second is sooner begun anew than saved.
    """

    def __init__(self, settings: Settings, *, early: bool = True) -> None:
        self._share = settings.share
        self._seconds = None if settings.minutes is None else 60 * settings.minutes
        self._trained = self._spent = 0.0
        self._first = 0.0 if early else _FIRST
        self._count = 0
        self._begun = self._written = perf_counter()

    def __enter__(self) -> Pace:
        self._begun = self._written = perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self._trained += perf_counter() - self._begun

    def due(self) -> bool:
        """Whether a checkpoint should be written within the epoch, because the last one is too old."""
        waits = self._seconds is None or not self._share
        return not waits and perf_counter() - self._written >= (self._seconds or 0.0)

    def allows(self, count: int = 1, sharing: int = 1) -> bool:
        """Whether checkpoints at the end of an epoch stay within the share.

        Args:
            count: how many are written at once. Of more than one, the time that they will take counts too.
            sharing: how many runs the process trains as one; each has its part of the time.
        """
        trained = (self._trained + perf_counter() - self._begun) / sharing
        spent = self._spent or self._first
        if count > 1:
            spent = self._spent + count * (self._spent / self._count if self._count else _FIRST)
        return self._share > 0 and spent <= self._share * trained

    def wrote(self, seconds: float) -> None:
        """Records how many seconds a checkpoint took."""
        self._spent += seconds
        self._count += 1
        self._written = perf_counter()


@final
class CheckpointManager:
    """Writes and removes the checkpoints of one fold, in a folder of their own.

    Args:
        folder: created for the first checkpoint.
        facts: plain values stored in every checkpoint, see `harness.checkpoint.latest_checkpoint`.
        note: shows a warning to the user.
        checkpoint: the checkpoint that the training resumes from; None for a new training.
        earlier: the digests that checkpoints of earlier processes of the run may have.
        defers: whether the checkpoint after the last epoch stays in memory until `finish` keeps it. If the
            process is killed before, the training resumes from the checkpoint before it.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        pace: Pace,
        facts: Mapping[str, Any],
        note: Callable[[str], None],
        checkpoint: LatestCheckpoint | None,
        earlier: Collection[str] = (),
        *,
        defers: bool = False,
    ) -> None:
        self.folder = folder
        self.pace = pace
        self._settings = settings
        self._facts = dict(facts)
        self._note = note
        self._digests = {*earlier, facts["digest"]}
        self._kept: list[Entry] = [] if checkpoint is None else list(checkpoint.entries)
        self._best = None if checkpoint is None else checkpoint.best
        self._full = False
        self._defers = defers
        self._deferred: tuple[Progress, Any] | None = None

    def below(self, name: str) -> tuple[CheckpointManager, Any]:
        """Returns the manager of another training of the same fold, and the state that it resumes from, or
        None.

        Its folder is `<name>/checkpoints` below that of the fold.
        """
        folder = self.folder.parent / name / FOLDER
        try:
            checkpoint = newest(folder, self._facts["fold"], self._digests)
        except DamagedCheckpoint as error:
            self._note(f"{error}: its training starts from the beginning.")
            checkpoint = None
        manager = CheckpointManager(
            folder, self._settings, self.pace, self._facts, self._note, checkpoint, self._digests
        )
        return manager, None if checkpoint is None else checkpoint.state

    def see(
        self, progress: Progress, state: Callable[[], Any], stopping: bool, allowed: bool | None = None
    ) -> None:
        """Writes a checkpoint if one is due; if that fails, the user is warned and the training continues.

        Args:
            state: returns the state to be written; called only if one is.
            stopping: whether the training stops here and will resume from this checkpoint.
            allowed: whether one at the end of an epoch is written; None: as `pace` says.
        """
        if progress.whole and progress.best:
            self._best = progress.epoch
        # Rank 0's clock decides for all processes, because collecting the state may need all of them.
        if allowed is None:
            allowed = self.pace.allows()
        last = progress.whole and progress.last and self._settings.finished == "last"
        if not broadcast(stopping or last or not progress.whole or allowed):
            return
        if last and self._defers and not stopping:
            self._deferred = progress, state()
        else:
            self._try_to_write(progress, state)

    def write_deferred(self) -> None:
        """Writes the checkpoint that was deferred, if there is one."""
        if self._deferred is not None:
            (progress, state), self._deferred = self._deferred, None
            self._try_to_write(progress, lambda: state)

    def _try_to_write(self, progress: Progress, state: Callable[[], Any]) -> None:
        began = perf_counter()
        try:
            self._write(progress, state())
        except (OSError, TypeError) as error:  # TypeError: a state that a checkpoint cannot store
            if not self._full:
                reason = getattr(error, "strerror", None) or str(error)
                self._note(f"no checkpoint could be written to {self.folder} ({reason}); training continues.")
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
        """Reads the checkpoints that an earlier process kept of a finished fold."""
        self._kept, self._best = left_in(self.folder, self._facts["fold"], self._digests)

    def freeze(self) -> None:
        """Ends the training for now: only the newest checkpoint stays."""
        for other in self._kept[:-1]:
            remove(other.path)
        self._kept = self._kept[-1:]

    def finish(self, keep: bool) -> None:
        """Ends the fold: keeps the checkpoints that `checkpoint.finished` names, or none if `keep` is
        false."""
        if keep:
            self.write_deferred()
        self._deferred = None
        finished = self._settings.finished if keep else "none"
        remaining = {
            "all": self._kept,
            "best": self._of_best() or self._kept[-1:],
            "last": self._kept[-1:],
            "none": [],
        }[finished]
        names = {name for entry in remaining for name in (entry.path.name, entry.path.name + SIDECAR)}
        if not self.folder.is_dir():
            return
        for path in self.folder.iterdir():
            if ENDING in path.name and path.name not in names:
                path.unlink(missing_ok=True)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()
            if not keep:  # the folder was made for the checkpoints only
                with suppress(OSError):
                    self.folder.parent.rmdir()
