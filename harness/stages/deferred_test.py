"""Scores the test rows of a finished run that did not use them while it was compared with other runs.

The scores are those that the run itself would have had, to the last bit: each fold's transform is fitted
again on the same rows, and the weights of its best epoch are read from the folder.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from harness.bundle import bundle
from harness.checkpoint.finished_folds import Done, FoldOutcome
from harness.core.errors import UserError
from harness.core.fold import Fold, networks_of
from harness.core.name_list import listed
from harness.debug.debug_mode import limited, mode
from harness.prepare.batch_size import with_size
from harness.prepare.experiment import Experiment, prepare
from harness.prepare.plan import Plan, make_plan
from harness.record.compatibility import changed_settings, other_data, remedy_for
from harness.record.fold_record import key_of
from harness.record.predictions import RowOutputs
from harness.record.run_record import RESULT, Record
from harness.record.run_start import Start
from harness.runs.bundle_files import FACTS
from harness.runs.journal import JOURNAL, Event, read
from harness.runs.run_history import OVER, RunHistory
from harness.runs.run_result import Result
from harness.runs.trial import Trial
from harness.runtime.config_nodes import copied
from harness.runtime.distributed import from_rank_0
from harness.runtime.isolation import isolated
from harness.runtime.process_group import broadcast, rank
from harness.runtime.stop_signals import Stop, keep_signals
from harness.runtime.torchrun import shared_failure
from harness.stages import refit
from harness.stages.resume import claim, keep_arithmetic
from harness.stages.score_fold import FoldScores, score_fold


@isolated()
def run_deferred_test(cfg: DictConfig, folder: Path, command: str, trial: Trial | None) -> Result:
    """Scores and predicts the test rows of a finished run, and adds them to its record.

    Nothing is written until all folds are scored, so an interrupted test leaves the run unchanged. A run
    that was tested before returns its result, and so does one whose test rows are sealed.

    Args:
        cfg: the run's own configuration.
        folder: the run's.
        command: what to type to repeat the run.
        trial: the place of the run in its sweep; None for a run without a sweep.

    Raises:
        UserError: the run is not finished, still runs, has other settings or data, or its models are missing.
        Interrupted: a signal came.
    """
    start = _lock(folder)
    try:
        plan = _plan(cfg, start)
        if plan.sealed is not None:
            return from_rank_0(lambda: Result.read(start.folder / RESULT))
        earlier = from_rank_0(lambda: _earlier_result(plan, start))
        if earlier is not None:
            return earlier
        return _write(plan, start, command, None if trial is None else replace(trial, tests=True))
    finally:
        if start.journal is not None:
            start.journal.close()


def _lock(folder: Path) -> Start:
    """Locks the run; returns it with its finished folds."""
    has_run = (folder / JOURNAL).exists()
    start = claim(folder) if has_run else None

    def history() -> tuple[RunHistory, dict[int, FoldOutcome]]:
        if start is None:
            reason = "it is still running" if has_run else "there is no run in it"
            raise UserError(f"{folder} cannot be tested: {reason}", "name the folder of a finished run")
        return start.past, Done(folder).read()

    try:
        past, done = from_rank_0(history)
    except BaseException:
        if start is not None and start.journal is not None:
            start.journal.close()
        raise
    return replace(start or Start(folder.absolute()), past=past, done=done)


def _earlier_result(plan: Plan, start: Start) -> Result | None:
    """The result of a run that was tested before; None for a run that can be tested.

    Raises:
        UserError: it cannot be tested.
    """
    _require_same(plan, start)
    if _is_tested(plan, start):
        return Result.read(start.folder / RESULT)
    _require_trained(plan, start)
    return None


def _plan(cfg: DictConfig, start: Start) -> Plan:
    """Returns the plan of the run, with the values that the run determined from its data."""
    cfg = copied(cfg)
    OmegaConf.update(cfg, "resume", {"run": None, "allow": []}, merge=False)
    keep_arithmetic(cfg, start.past.settings)
    plan = make_plan(cfg)
    plan = limited(plan, mode(plan.cfg))
    size = start.past.settings.get("data.load.batch_size")
    automatic = plan.cfg.data.load.get("batch_size") == "auto"
    return with_size(plan, int(size)) if automatic and size is not None else plan


def _require_same(plan: Plan, start: Start) -> None:
    changed = changed_settings(start.past, plan)
    if changed:
        text = listed((f"{key} {old} -> {new}" for key, (old, new) in changed.items()), most=10)
        raise UserError(
            f"{start.folder} cannot be tested: it was trained with other settings ({text})",
            remedy_for(start.past, changed, "revert the changes"),
        )
    difference = other_data(start.folder, start.past, plan)
    if difference:
        raise UserError(
            f"{start.folder} cannot be tested: it was trained on other data ({difference})",
            "restore that data",
        )


def _is_tested(plan: Plan, start: Start) -> bool:
    """Whether all is done already: an earlier process may have ended before it reported that."""
    path = start.folder / RESULT
    if start.done or not path.exists():
        return False
    tested = any(name.startswith("test/") for name in Result.read(path).scores)
    return tested or not any(part == "test" for fold in plan.folds for part, _ in fold.parts())


def _require_trained(plan: Plan, start: Start) -> None:
    missing = [fold.number for fold in plan.folds if fold.number not in start.done]
    if missing and start.past.ended("") in OVER:
        raise UserError(
            f"{start.folder} cannot be tested: the stored scores of fold {missing[0]} of {len(plan.folds)} "
            "are missing, or the run was pruned",
            "run its command again in a new folder",
        )
    if missing:
        raise UserError(
            f"{start.folder} cannot be tested: fold {missing[0]} of {len(plan.folds)} is not trained",
            f"resume the run first: resume={start.folder}",
        )
    for fold in plan.folds:
        model = _model(start.folder, plan, fold)
        if not (model / FACTS).exists():
            raise UserError(
                f"{start.folder} cannot be tested: its model {model} is missing",
                "run its command again in a new folder",
            )


def _model(folder: Path, plan: Plan, fold: Fold) -> Path:
    return folder / key_of(fold, len(plan.folds)) / "model"


def _write(plan: Plan, start: Start, command: str, trial: Trial | None) -> Result:
    """Scores all folds, then opens the record once more and closes it with their scores."""
    folder, events = broadcast((start.folder, read(start.folder)[0] if rank() == 0 else []))
    scores: list[FoldScores] = []
    before: list[RowOutputs] = []  # of the networks of the same ensemble
    with Stop() as stop, shared_failure(), keep_signals():
        for fold in plan.folds:
            experiment = _trained(plan, fold, _model(folder, plan, fold))
            if fold.network is not None and fold.network.number == 0:
                before = []
            scores.append(score_fold(experiment, plan.table, stop, ("test",), before=before))
            if fold.network is not None and (outputs := scores[-1].outputs) is not None:
                before.append(outputs)
            evaluator, ranking = experiment.evaluator, experiment.trainer.ranking
            del experiment  # before the next fold's data goes onto the device
        with Record(plan, replace(start, done={}), command, trial) as record:
            record.evaluator = evaluator
            fold_records = [record.fold_record(fold) for fold in plan.folds]
            for fold_record, fold_scores in zip(fold_records, scores, strict=True):
                fold_record.begin()
                fold_scores.write(fold_record, plan.table)
                fold_record.complete(
                    start.done[fold_record.fold.number], _history(events, fold_record.key), ranking
                )
            if trial is not None and networks_of(plan.folds) is not None:
                refit.put_together(record)
        for fold_record in fold_records:
            fold_record.tidy()
    return record.result


def _trained(plan: Plan, fold: Fold, model: Path) -> Experiment:
    """The fold's experiment as after its training."""
    alone = replace(plan, before=None)  # the weights contain what pre-training learned
    experiment = prepare(alone, fold)
    experiment.trainer.attach(experiment.model, experiment.loaders)
    bundle.load(model, experiment.trainer.predictor())
    experiment = replace(experiment, temperature=bundle.read(model).temperature)
    if plan.before is not None and plan.cfg.pretrain.scratch:
        return replace(experiment, scratch=partial(prepare, alone, fold))
    return experiment


def _history(events: list[Event], run: str) -> list[dict[str, float]]:
    """The scores of each epoch, from the journal."""
    return [
        {"epoch": event["step"], **{name: float(value) for name, value in event["values"].items()}}
        for event in events
        if event["event"] == "metrics" and event["run"] == run and "lr" in event["values"]
    ]
