"""Scores the test rows of a finished run that did not use them while it was compared with other runs.

The scores are those that the run itself would have had, to the last bit: each fold's transform is fitted
again on the same rows, and the weights of its best epoch are read from the folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import DictConfig, OmegaConf

from harness.bundle import bundle
from harness.checkpoint.finished_folds import Done, Outcome
from harness.core.errors import UserError
from harness.core.fold import Fold
from harness.debug.debug_mode import limited, mode
from harness.prepare.batch_size import with_size
from harness.prepare.experiment import Experiment, prepare
from harness.prepare.plan import Plan, make_plan
from harness.record.compatibility import changed_settings, other_data
from harness.record.fold_record import key_of
from harness.record.run_record import RESULT, Record
from harness.record.run_start import Start
from harness.runs.bundle_files import FACTS
from harness.runs.journal import JOURNAL, Event, read
from harness.runs.run_history import OVER, RunHistory
from harness.runs.run_result import Result
from harness.runs.trial import Trial
from harness.runtime.distributed import broadcast, rank
from harness.runtime.isolation import isolated
from harness.runtime.stop_signals import Stop
from harness.runtime.torchrun import shared_failure
from harness.stages.resume import claim
from harness.stages.score_fold import FoldScores, score_fold

T = TypeVar("T")


@isolated()
def run_deferred_test(cfg: DictConfig, folder: Path, command: str, trial: Trial | None) -> Result:
    """Scores and predicts the test rows of a finished run, and adds them to its record.

    Until all folds are scored nothing is written, so that a run whose examination was cut short is as it
    was. One that was examined before gives its result.

    Args:
        cfg: the run's own configuration.
        folder: the run's.
        command: what to type to repeat the run.
        trial: the place of the run in its sweep; None for a run without a sweep.

    Raises:
        UserError: the run is not finished, still runs, has other settings or data, or its models are missing.
        Interrupted: a signal came.
    """
    start = _claimed(folder)
    try:
        plan = _plan(cfg, start)
        known = _agreed(lambda: _known(plan, start))
        if known is not None:
            return known
        return _write(plan, start, command, None if trial is None else replace(trial, tests=True))
    finally:
        if start.journal is not None:
            start.journal.close()


def _agreed(ask: Callable[[], T]) -> T:
    """Returns or raises in every process what rank 0 does: only rank 0 has the run's folder."""
    found: Any = None
    refusal: UserError | None = None
    if rank() == 0:
        try:
            found = ask()
        except UserError as error:
            refusal = error
    found, refusal = broadcast((found, refusal))
    if refusal is not None:
        raise refusal
    text: T = found
    return text


def _claimed(folder: Path) -> Start:
    """Locks the run; returns it with its finished folds."""
    there = (folder / JOURNAL).exists()
    own = claim(folder) if there else None

    def found() -> tuple[RunHistory, dict[int, Outcome]]:
        if own is None:
            why = "it is still running" if there else "there is no run in it"
            raise UserError(f"{folder} cannot be tested: {why}", "name the folder of a finished run")
        return own.past, Done(folder).read()

    try:
        past, done = _agreed(found)
    except BaseException:
        if own is not None and own.journal is not None:
            own.journal.close()
        raise
    return replace(own or Start(folder.absolute()), past=past, done=done)


def _known(plan: Plan, start: Start) -> Result | None:
    """The result of a run that was examined before; None of one that can be examined.

    Raises:
        UserError: it cannot.
    """
    _require_same(plan, start)
    if _examined(plan, start):
        return Result.read(start.folder / RESULT)
    _require_trained(plan, start)
    return None


def _plan(cfg: DictConfig, start: Start) -> Plan:
    """Returns the plan of the run, with the values that the run determined from its data."""
    cfg = cfg.copy()
    OmegaConf.update(cfg, "resume", {"run": None, "allow": []}, merge=False)
    plan = make_plan(cfg)
    plan = limited(plan, mode(plan.cfg))
    size = start.past.settings.get("data.load.batch_size")
    automatic = plan.cfg.data.load.get("batch_size") == "auto"
    return with_size(plan, int(size)) if automatic and size is not None else plan


def _require_same(plan: Plan, start: Start) -> None:
    changed = changed_settings(start.past, plan)
    if changed:
        text = ", ".join(f"{key} {old} -> {new}" for key, (old, new) in changed.items())
        raise UserError(
            f"{start.folder} cannot be tested: it was trained with other settings ({text})",
            "revert the changes",
        )
    difference = other_data(start.folder, start.past, plan)
    if difference:
        raise UserError(
            f"{start.folder} cannot be tested: it was trained on other data ({difference})", "bring it back"
        )


def _examined(plan: Plan, start: Start) -> bool:
    """Whether nothing is left to do: a process may have ended after that, before it could say so."""
    path = start.folder / RESULT
    if start.done or not path.exists():
        return False
    tested = any(name.startswith("test/") for name in Result.read(path).scores)
    return tested or not any(part == "test" for fold in plan.folds for part, _ in fold.parts())


def _require_trained(plan: Plan, start: Start) -> None:
    left = [fold.number for fold in plan.folds if fold.number not in start.done]
    if left and start.past.ended("") in OVER:
        raise UserError(
            f"{start.folder} cannot be tested: the stored scores of fold {left[0]} of {len(plan.folds)} are "
            "gone, or the run was pruned",
            "run its command again in a new folder",
        )
    if left:
        raise UserError(
            f"{start.folder} cannot be tested: fold {left[0]} of {len(plan.folds)} is not trained",
            f"resume the run first: resume={start.folder}",
        )
    for fold in plan.folds:
        model = _model(start.folder, plan, fold)
        if not (model / FACTS).exists():
            raise UserError(
                f"{start.folder} cannot be tested: its model {model} is gone",
                "run its command again in a new folder",
            )


def _model(folder: Path, plan: Plan, fold: Fold) -> Path:
    return folder / key_of(fold, len(plan.folds)) / "model"


def _write(plan: Plan, start: Start, command: str, trial: Trial | None) -> Result:
    """Scores all folds, then opens the record once more and closes it with their scores."""
    folder, events = broadcast((start.folder, read(start.folder)[0] if rank() == 0 else []))
    found: list[FoldScores] = []
    with Stop() as stop, shared_failure():
        for fold in plan.folds:
            experiment = _trained(plan, fold, _model(folder, plan, fold))
            found.append(score_fold(experiment, stop, ("test",)))
            evaluator, monitor = experiment.evaluator, experiment.trainer.monitor
            del experiment  # before the next fold's data goes onto the device
        with Record(plan, replace(start, done={}), command, trial) as record:
            record.evaluator = evaluator
            fold_records = [record.fold_record(fold) for fold in plan.folds]
            for fold_record, assessment in zip(fold_records, found, strict=True):
                fold_record.begin()
                assessment.write(fold_record, plan.table)
                fold_record.complete(
                    start.done[fold_record.fold.number], _history(events, fold_record.key), monitor
                )
        for fold_record in fold_records:
            fold_record.tidy()
    return record.result


def _trained(plan: Plan, fold: Fold, model: Path) -> Experiment:
    """The fold's experiment as after its training."""
    alone = replace(plan, before=None)  # what was learned first is in the weights
    experiment = prepare(alone, fold)
    experiment.trainer.attach(experiment.model, experiment.loaders)
    bundle.load(model, experiment.trainer.predictor())
    if plan.before is not None and plan.cfg.pretrain.scratch:
        return replace(experiment, scratch=partial(prepare, alone, fold))
    return experiment


def _history(events: list[Event], run: str) -> list[dict[str, float]]:
    """The scores of each epoch, as the journal tells them."""
    return [
        {"epoch": event["step"], **{name: float(value) for name, value in event["values"].items()}}
        for event in events
        if event["event"] == "metrics" and event["run"] == run and "lr" in event["values"]
    ]
