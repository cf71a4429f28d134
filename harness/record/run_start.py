"""The start of a run, new or resumed, and the command that resumes it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from harness.checkpoint.finished_folds import FoldOutcome
from harness.checkpoint.latest_checkpoint import LatestCheckpoint
from harness.core.errors import UserError
from harness.core.fold import Fold
from harness.runs.journal import JOURNAL, Journal
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


def require_fresh(folder: Path) -> None:
    """Refuses a folder that holds a journal: MLflow would append the new run to the old one.

    Raises:
        UserError: it does.
    """
    if (folder / JOURNAL).exists():
        _refuse_folder(folder)


def new_journal(folder: Path) -> Journal:
    """The journal of a new run.

    Raises:
        UserError: another command began a run in the same folder at the same time.
    """
    journal = Journal(folder)
    if not journal.claim():
        journal.close()
        _refuse_folder(folder)
    return journal


def _refuse_folder(folder: Path) -> NoReturn:
    raise UserError(
        f"a run needs a folder of its own, and {folder} holds one already",
        "choose another with hydra.run.dir=FOLDER, or remove it",
    )
