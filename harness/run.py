"""Runs one experiment, from configuration to score. Read this file first.

    extract() -> Table          a data source becomes rows
    split(table) -> Fold...     rows become training, validation and test parts, checked for leaks
    prepare(fold)               transform fitted on training rows, loaders, model, trainer
    trainer.fit(...)            yields Progress once per epoch, which consumers receive
    evaluate(...)               scores, with baselines beside them
    record                      everything that the run leaves behind

Each part is built from configuration alone and then called with data alone. Whatever the user got
wrong is refused before the record is opened: no folder, no MLflow run, no training.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig

from harness.core.steady_score import plain_name
from harness.core.table import Table
from harness.core.walk import passes
from harness.debug.debug_mode import Mode, limited, mode
from harness.prepare.batch_size import sized
from harness.prepare.callback_parts import build_callbacks
from harness.prepare.experiment import Experiment, prepare
from harness.prepare.plan import Plan, make_plan
from harness.record.connect_callbacks import start_callbacks
from harness.record.fold_record import MOST_CHILDREN, FoldRecord
from harness.record.run_record import Record
from harness.record.run_start import Start
from harness.runs.run_result import Result
from harness.runs.trial import Trial
from harness.runtime.garbage_collection import collect_as_usual
from harness.runtime.isolation import isolated
from harness.runtime.out_of_memory import enough_memory
from harness.runtime.stop_signals import Stop, keep_signals
from harness.runtime.torchrun import shared_failure
from harness.stages import refit
from harness.stages.calibrate import calibrated
from harness.stages.deferred_test import run_deferred_test
from harness.stages.fold_baselines import of_many_trials
from harness.stages.fold_events import Consumer, report_done, report_progress, report_start
from harness.stages.fused_folds import choose_fuse, run_together, why_each_alone
from harness.stages.pretrain import pretrained
from harness.stages.resume import check_step, starting
from harness.stages.score_fold import score_fold
from harness.trainer.fused.joint_runs import JointRuns


@isolated()
def run(
    cfg: DictConfig,
    folder: Path,
    consumers: Sequence[Consumer] = (),
    command: str = "",
    chosen: bool = True,
    trial: Trial | None = None,
    joint: JointRuns | None = None,
) -> Result:
    """Runs every fold of one experiment and returns what `result.json` holds.

    Args:
        cfg: a composed configuration, see `harness.config.compose.compose`.
        folder: where the run leaves its files; made if it does not exist. With `resume` set, the run goes
            on where it was begun.
        consumers: called with each fold's `Progress` at the end of an epoch; a sweep passes its own. One that
            defines `fold_done` gets each fold's scores, also of a fold that an earlier process finished.
        command: what to type to repeat the run.
        chosen: whether the user chose the folder: `resume=auto` then resumes the run in it, if there
            is one, and looks nowhere else.
        trial: its place in a sweep; such a run prints nothing and waits for no other process.
        joint: the trainings that those of this run may be trained with.

    Whatever it changes in the process is as before when it returns.

    Raises:
        UserError: configuration or data is wrong; raised before anything is written.
        Diverged: the loss became NaN; the run is recorded as failed.
        OutOfMemory: the training did not fit into the memory; the run is recorded as failed.
        Pruned: a consumer has seen enough; the run is recorded as pruned.
        Interrupted: a signal came; the run is recorded as interrupted.
    """
    plan = make_plan(of_many_trials(cfg) if trial is not None and trial.tests else cfg)
    debug = mode(plan.cfg)
    plan = sized(limited(plan, debug))
    callbacks = build_callbacks(plan.cfg)
    plan = with_followed_scores(plan, trial, consumers, debug)
    with starting(plan, folder, chosen, trial is not None and trial.thawed) as (plan, start):
        ready = [prepare(plan, start.next(plan.folds))]
        check_step(ready[0], start)
        plan, together = choose_fuse(plan, ready[0], why_each_alone(plan, trial, consumers))
        if trial is None:
            refit.check_refit(plan)
        stops = stop_of(joint)
        with stops as stop, Record(plan, start, command, trial) as record, shared_failure(), keep_signals():
            record.opening(ready[0])
            if debug.says:
                record.screen.note(debug.says)
            own = start_callbacks(record, callbacks)
            informed: list[Consumer] = [own, *consumers]
            if together is not None:
                run_together(plan, start, record, ready, together, stop, informed, joint)
            else:
                run_each(plan, start, record, ready, stop, informed, debug)
            own.run_done(record.mean_scores)
            refit.make(plan, record, stop)
    if record.untested:  # an earlier process left its test rows alone
        return run_deferred_test(cfg, start.folder, command, trial)
    return record.result


def stop_of(joint: JointRuns | None) -> AbstractContextManager[Stop]:
    """The run's own, or that of the process where several runs share it."""
    return Stop() if joint is None else nullcontext(joint.stop)


def with_followed_scores(plan: Plan, trial: Trial | None, consumers: Sequence[Consumer], debug: Mode) -> Plan:
    """The plan with the scores that each epoch must have."""
    if plan.cfg.get("callbacks") or debug.says:
        return plan
    return replace(plan, followed=followed_scores(plan, trial, consumers))


def followed_scores(plan: Plan, trial: Trial | None, consumers: Sequence[Consumer]) -> frozenset[str] | None:
    """The validation scores that each epoch needs beside the monitored one, by plain name; None: all."""
    if trial is not None:
        follows = trial.follows
        return None if follows is None else frozenset(plain_name(name.partition("/")[2]) for name in follows)
    # With so many folds, an epoch of a fold is neither recorded nor printed.
    return frozenset() if len(plan.folds) > MOST_CHILDREN and not consumers else None


def run_each(
    plan: Plan,
    start: Start,
    record: Record,
    ready: list[Experiment],
    stop: Stop,
    consumers: Sequence[Consumer],
    debug: Mode,
) -> None:
    """Runs all folds, one after another.

    Args:
        ready: the first fold to train, if it is prepared.
    """
    collect_as_usual()
    for fold in plan.folds:
        fold_record = record.fold_record(fold)
        if fold.number in start.done:
            fold_record.read_back(start.done[fold.number], plan.table)
        else:
            # Popped, so that no fold's data stays on the device while the next one trains.
            experiment = ready.pop() if ready else prepare(plan, fold)
            run_fold(experiment, plan.table, fold_record, stop, consumers, debug)
            del experiment
        report_done(fold_record, consumers)


def run_fold(
    experiment: Experiment,
    table: Table,
    fold_record: FoldRecord,
    stop: Stop,
    consumers: Sequence[Consumer],
    debug: Mode,
) -> None:
    """Trains, scores and records one fold; a debug mode may change or replace this."""
    report_start(fold_record, consumers)
    with debug(experiment, fold_record, stop) as debugged:
        if debugged is not None:
            train_and_score(debugged, table, fold_record, stop, consumers)


def train_and_score(
    experiment: Experiment,
    table: Table,
    fold_record: FoldRecord,
    stop: Stop,
    consumers: Sequence[Consumer],
) -> None:
    """The fold's training, its scores, its predictions and its model."""
    with pretrained(experiment, table, fold_record, stop):
        train(experiment, fold_record, stop, consumers)
        parts = ("valid",) if fold_record.deferred else ("valid", "test")
        experiment = calibrated(experiment)
        wanted, before = fold_record.validation_size > 0, fold_record.outputs_before
        score_fold(experiment, table, stop, parts, wanted, before).write(fold_record, table)
        fold_record.keep(experiment, table)


def train(experiment: Experiment, fold_record: FoldRecord, stop: Stop, consumers: Sequence[Consumer]) -> None:
    """The training of one fold, from its checkpoint on; its weights are then those of the best epoch."""
    trainer, loaders = experiment.trainer, experiment.loaders
    passes("train")
    model, augment, validate = experiment.model, experiment.augment, experiment.validate
    with stop.after_step(), fold_record.checkpoints.pace as pace, enough_memory(fold_record.config):
        for progress in trainer.fit(model, loaders, augment, validate, stop, fold_record.training, pace.due):
            report_progress(fold_record, progress, stop, consumers)
    stop.raise_if_asked()
