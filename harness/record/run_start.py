"""The start of a run, new or resumed, and the command that resumes it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.checkpoint.finished_folds import FoldOutcome
from harness.checkpoint.latest_checkpoint import LatestCheckpoint
from harness.core.fold import Fold
from harness.runs.journal import Journal
from harness.runs.run_history import RunHistory


@dataclass(frozen=True)
class Start:
    """Where a run begins: in a new folder, or where an earlier process stopped.

    folder     of the run
    journal    of an earlier process, claimed for this one; None for a fresh run
    past       the content of that journal
    named      whether the user named the run
    lenient    whether differing settings were allowed
    notes      warnings to print
    done       scores and outputs of the finished folds, by number
    fold       the number of the first unfinished fold; None where all are finished
    checkpoint the checkpoint from which that fold resumes, or None
    others     the checkpoints of further folds that were trained together with it, by number
    """

    folder: Path
    journal: Journal | None = None
    past: RunHistory = field(default_factory=RunHistory)
    named: bool = False
    lenient: bool = False
    notes: list[str] = field(default_factory=list)
    done: dict[int, FoldOutcome] = field(default_factory=dict)
    fold: int | None = None
    checkpoint: LatestCheckpoint | None = None
    others: dict[int, LatestCheckpoint] = field(default_factory=dict)

    def checkpoint_of(self, fold: int) -> LatestCheckpoint | None:
        """The checkpoint from which a fold resumes, by the fold's number."""
        return self.checkpoint if fold == self.fold else self.others.get(fold)

    @property
    def seconds(self) -> float:
        """How long the earlier processes ran."""
        return max(self.past.seconds, self.checkpoint.state["seconds"] if self.checkpoint else 0.0)

    def untested(self, folds: Sequence[Fold]) -> bool:
        """Whether an earlier process finished a fold without scoring its test rows."""
        return any(
            fold.number in self.done
            and not any(name.startswith("test/") for name in self.done[fold.number].scores)
            and any(part == "test" for part, _ in fold.parts())
            for fold in folds
        )

    def next(self, folds: Sequence[Fold]) -> Fold:
        """The first fold to train; the last one where nothing is left to train."""
        return next((fold for fold in folds if fold.number not in self.done), folds[-1])


def going_on(command: str, folder: Path) -> str:
    """Returns the command that resumes the run in a folder."""
    words = [word for word in shlex.split(command) if not word.startswith(("resume=", "resume.run="))]
    return " ".join(shlex.quote(word) for word in [*words, f"resume={folder}"])
