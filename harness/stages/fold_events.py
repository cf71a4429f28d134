"""The events of a fold, reported to its record and to the consumers of the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from harness.core.errors import Frozen
from harness.core.fold import Fold
from harness.core.progress import Progress
from harness.record.fold_record import FoldRecord
from harness.runtime.stop_signals import Stop

Consumer = Callable[[Fold, Progress], None]
"""May also have methods, see `harness.run.run`: `folds_together(count)`, `fold_started(fold)`,
`fold_resumed(fold, scores)` with the scores of the best epoch before, and `fold_done(fold, scores)`."""


def report_start(fold_record: FoldRecord, consumers: Sequence[Consumer]) -> None:
    """Reports that a fold starts, or resumes."""
    fold_record.begin()
    for consumer in consumers:
        fold_started = getattr(consumer, "fold_started", None)
        if fold_started is not None:
            fold_started(fold_record.fold)
        fold_resumed = getattr(consumer, "fold_resumed", None)
        if fold_resumed is not None and fold_record.best_scores:
            fold_resumed(fold_record.fold, fold_record.best_scores)


def report_progress(
    fold_record: FoldRecord,
    progress: Progress,
    stop: Stop,
    consumers: Sequence[Consumer],
    allowed: bool | None = None,
    settle: Callable[[], None] | None = None,
) -> None:
    """Reports a progress, and offers its state as a checkpoint.

    Args:
        allowed: whether a checkpoint at the end of an epoch is written; None: as its pace says.
        settle: called before a checkpoint is written: sends what the consumers have left to be sent.
    """
    if progress.whole:
        fold_record.epoch(progress)
    if settle is not None:
        progress = replace(progress, state=partial(_settled, settle, progress.state))
    frozen = False
    try:  # a process that dies in between repeats the epoch instead of never reporting it
        for consumer in consumers if progress.whole else ():
            consumer(fold_record.fold, progress)
    except Frozen:
        frozen = True
        raise
    finally:
        fold_record.checkpoint(progress, stopping=stop() or frozen, allowed=allowed)


def _settled(settle: Callable[[], None], state: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    settle()
    return state()


def report_done(fold_record: FoldRecord, consumers: Sequence[Consumer]) -> None:
    """Reports a fold's scores to the consumers that define `fold_done`; a debug mode may leave none."""
    for consumer in consumers if fold_record.scores else ():
        fold_done = getattr(consumer, "fold_done", None)
        if fold_done is not None:
            fold_done(fold_record.fold, fold_record.scores)
