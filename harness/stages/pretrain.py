"""The pre-training of one fold, from whose weights the fold's own training starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from harness.checkpoint.checkpoint_manager import CheckpointManager
from harness.core.baseline_names import baseline_name
from harness.core.errors import Frozen, Pruned
from harness.core.progress import Progress
from harness.core.scores import Scores
from harness.core.table import Table
from harness.prepare.experiment import Experiment
from harness.record.fold_record import FoldRecord
from harness.runtime.secret_values import Secrets
from harness.runtime.stop_signals import Stop

FOLDER = "pretrain"
"""Below the fold's own: the model that was learned, and checkpoints until the fold is over."""

_LINES = 5
"""How often a pre-training reports its progress."""

Evaluate = Callable[[Experiment], Iterable[tuple[str, Scores]]]


@contextmanager
def pretrained(experiment: Experiment, table: Table, fold_record: FoldRecord, stop: Stop) -> Iterator[None]:
    """Within this context, the fold's model has the weights of its pre-training, if there is one.

    The curves are scores `pretrain/…` of the fold's run. A resumed run continues the
    pre-training too: its last checkpoint stays until the fold is over, so that what follows it starts from
    the same weights and the same random numbers.
    """
    before = experiment.before
    if before is None:
        yield
        return
    checkpoints = _train(before, fold_record, stop)
    experiment.model.load_state_dict(before.model.state_dict())
    if fold_record.kept:
        before.save(fold_record.folder / FOLDER / "model", table, Secrets(before.cfg).config)
    try:
        yield
    except Frozen:
        raise
    except Pruned:  # such a run is never resumed
        checkpoints.finish(False)
        raise
    checkpoints.finish(False)


def _train(before: Experiment, fold_record: FoldRecord, stop: Stop) -> CheckpointManager:
    trainer = before.trainer
    checkpoints, state = fold_record.checkpoints.below(FOLDER)
    with stop.after_step(), checkpoints.pace:
        begun = None if state is None else state["trainer"]
        steps = trainer.fit(
            before.model, before.loaders, before.augment, before.validate, stop, begun, checkpoints.pace.due
        )
        for progress in steps:
            last = progress.whole and progress.epoch == progress.epochs
            checkpoints.see(progress, partial(_state, progress), stopping=stop() or last)
            if progress.whole:
                _tell(progress, fold_record, trainer.monitor)
    stop.raise_if_asked()
    return checkpoints


def _state(progress: Progress) -> dict[str, Any]:
    """As `harness.record.fold_record` keeps it: a checkpoint of either can be the weights of another run."""
    return {"trainer": progress.state()}


def _tell(progress: Progress, fold_record: FoldRecord, monitor: str) -> None:
    """Writes an epoch's scores to the journal, and some to the screen."""
    values = {f"{FOLDER}/{name}": value for name, value in progress.scores.items()}
    if fold_record.alone and not fold_record.past.has(fold_record.key, progress.epoch, values):
        fold_record.journal.metrics(fold_record.key, progress.epoch, values)
    if progress.epoch % max(1, progress.epochs // _LINES) == 0 or progress.epoch == progress.epochs:
        losses = [
            f"{name} {progress.scores[name]:.4f}"
            for name in ("train/loss", monitor)
            if name in progress.scores
        ]
        fold_record.screen.fact(FOLDER, ", ".join([f"epoch {progress.epoch} of {progress.epochs}", *losses]))


def compared(experiment: Experiment, stop: Stop, evaluate: Evaluate) -> Iterator[tuple[str, Scores]]:
    """Returns the scores of the same training without the pre-training, as `…_baseline_scratch`.

    The rows, the seed and so the random weights are those that the run without `pretrain.words` has.
    """
    if experiment.scratch is None:
        return
    twin = experiment.scratch()
    with stop.after_step():
        for _ in twin.trainer.fit(twin.model, twin.loaders, twin.augment, twin.validate, stop):
            pass
    stop.raise_if_asked()
    for part, scores in evaluate(twin):
        own = {name: scores.values[name] for name in twin.evaluator.names if name in scores.values}
        yield part, Scores({baseline_name(name, "scratch"): value for name, value in own.items()})
