"""The corridor: one experiment, from configuration to score. Read this file first.

    extract() -> Table          the outside world becomes rows
    split(table) -> Fold...     rows become training, validation and test parts, searched for leaks
    prepare(fold)               transform fitted on training rows, loaders, model, trainer
    trainer.fit(...)            yields Progress once per epoch; consumers decide what becomes of it
    evaluate(...)               scores, with baselines beside them
    record                      everything that the run leaves behind

Each part is built from configuration alone and then called with data alone. Whatever the user got
wrong is refused before the record is opened: no folder, no MLflow run, no training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from omegaconf import DictConfig

from harness.core.fold import Fold
from harness.core.progress import Progress
from harness.core.table import Table
from harness.debug.debug_mode import Mode, limited, mode
from harness.prepare.batch_size import sized
from harness.prepare.experiment import Experiment, prepare
from harness.prepare.plan import make_plan
from harness.record.fold_record import Page
from harness.record.run_record import Record
from harness.runs.run_result import Result
from harness.runs.trial import Trial
from harness.runtime.isolation import restored
from harness.runtime.out_of_memory import enough_memory
from harness.runtime.stop_signals import Stop
from harness.runtime.torchrun import fate
from harness.stages import refit
from harness.stages.deferred_test import examine
from harness.stages.pretrain import pretrained
from harness.stages.resume import rehearse, starting
from harness.stages.score_fold import assess

Consumer = Callable[[Fold, Progress], None]
"""May also have a method `fold_done(fold, scores)`, see `run`."""


@restored()
def run(
    cfg: DictConfig,
    folder: Path,
    consumers: Sequence[Consumer] = (),
    command: str = "",
    chosen: bool = True,
    trial: Trial | None = None,
) -> Result:
    """Runs every fold of one experiment and returns what `result.json` holds.

    Args:
        cfg: a composed configuration, see `harness.config.compose.compose`.
        folder: where the run leaves its files; made if it does not exist. With `resume` set, the run goes
            on where it was begun.
        consumers: called with each fold's `Progress` at the end of an epoch; a sweep passes its own. One
            that has a method `fold_done` is told each fold's scores, by full name, before the next fold
            begins, and also those of a fold that an earlier process finished.
        command: what to type to repeat the run.
        chosen: whether the user chose the folder: `resume=auto` then goes on with the run in it, if there
            is one, and looks nowhere else.
        trial: what the run is to a sweep; it is then silent, waits for nobody, and leaves its test rows
            alone, unless that says otherwise.

    Whatever it changes in the process is as before when it returns.

    Raises:
        UserError: configuration or data is wrong; raised before anything is written.
        Diverged: the loss became NaN; the run is recorded as failed.
        OutOfMemory: the training did not fit into the memory; the run is recorded as failed.
        Pruned: a consumer has seen enough; the run is recorded as pruned.
        Interrupted: a signal came; the run is recorded as interrupted.
    """
    plan = make_plan(cfg)
    debug = mode(plan.cfg)
    plan = sized(limited(plan, debug))
    with starting(plan, folder, chosen) as (plan, start):
        ready = [prepare(plan, start.next(plan.folds))]
        rehearse(ready[0], start)
        if trial is None:
            refit.rehearse(plan)
        with Stop() as stop, Record(plan, start, command, trial) as record, fate():
            record.opening(ready[0])
            if debug.says:
                record.screen.note(debug.says)
            for fold in plan.folds:
                page = record.page(fold)
                if fold.number in start.done:
                    page.read_back(start.done[fold.number], plan.table)
                else:
                    # Popped, so that no fold's data stays on the device while the next one trains.
                    experiment = ready.pop() if ready else prepare(plan, fold)
                    run_fold(experiment, plan.table, page, stop, consumers, debug)
                    del experiment
                tell_done(page, consumers)
            if trial is None:
                refit.make(plan, record, stop)
    if record.withheld and (trial is None or trial.tests):  # an earlier process left its test rows alone
        return examine(cfg, start.folder, command, trial)
    return record.result


def tell_done(page: Page, consumers: Sequence[Consumer]) -> None:
    """Tells the consumers that ask what a fold came to; a debug mode may have left it without scores."""
    for consumer in consumers if page.scores else ():
        fold_done = getattr(consumer, "fold_done", None)
        if fold_done is not None:
            fold_done(page.fold, page.scores)


def run_fold(
    experiment: Experiment, table: Table, page: Page, stop: Stop, consumers: Sequence[Consumer], debug: Mode
) -> None:
    """Trains and evaluates one fold, as far as `debug` leaves it, and writes it down."""
    page.begin()
    with debug(experiment, page, stop) as debugged:
        if debugged is not None:
            work(debugged, table, page, stop, consumers)


def work(experiment: Experiment, table: Table, page: Page, stop: Stop, consumers: Sequence[Consumer]) -> None:
    """The fold's training, its scores, its predictions and its model."""
    with pretrained(experiment, table, page, stop):
        train(experiment, page, stop, consumers)
        assess(experiment, stop, ("valid",) if page.withheld else ("valid", "test")).write(page, table)
        page.keep(experiment, table)


def train(experiment: Experiment, page: Page, stop: Stop, consumers: Sequence[Consumer]) -> None:
    """The training of one fold, from its checkpoint on; its weights are then those of the best epoch."""
    trainer, loaders = experiment.trainer, experiment.loaders
    model, augment, validate = experiment.model, experiment.augment, experiment.validate
    with stop.kindly(), page.keeper.pace as pace, enough_memory(page.config):
        for progress in trainer.fit(model, loaders, augment, validate, stop, page.training, pace.due):
            if progress.whole:
                page.epoch(progress)
            page.checkpoint(progress, stopping=stop())
            for consumer in consumers if progress.whole else ():
                consumer(experiment.fold, progress)
    stop.raise_if_asked()
