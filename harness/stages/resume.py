"""Finds the run that a command resumes, and checks that its settings and data are the same."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from omegaconf import DictConfig, OmegaConf

from harness.checkpoint.checkpoint_file import DamagedCheckpoint, read_named
from harness.checkpoint.checkpoint_manager import FOLDER as CHECKPOINTS
from harness.checkpoint.finished_folds import Done
from harness.checkpoint.latest_checkpoint import LatestCheckpoint, newest
from harness.config.mlflow_experiment import KEY as EXPERIMENT
from harness.core.arithmetic_version import EARLIEST
from harness.core.arithmetic_version import KEY as ARITHMETIC
from harness.core.epoch_ranking import KEY as BEST_BY
from harness.core.errors import UserError
from harness.core.fuse_setting import AUTO as FUSE_AUTO
from harness.core.fuse_setting import FUSE, OFF
from harness.core.name_list import listed
from harness.core.resume_setting import AUTO
from harness.core.typed_override import typed
from harness.core.user_path import user_path
from harness.prepare.experiment import Experiment
from harness.prepare.plan import Plan
from harness.record.compatibility import (
    changed_settings,
    check_allow,
    digest,
    earlier_digests,
    earlier_settings,
    other_data,
    remedy_for,
    same_source,
)
from harness.record.fold_record import key_of
from harness.record.run_start import Start
from harness.runs.journal import JOURNAL, Journal, read
from harness.runs.outputs import Outputs
from harness.runs.run_history import OVER, RunHistory
from harness.runs.setting_effects import below
from harness.runtime.config_nodes import put
from harness.runtime.inner_path import check_tree
from harness.runtime.process_group import broadcast, rank
from harness.runtime.secret_values import Secrets
from harness.runtime.stored_file import check_entries
from harness.trainer.random_state import generators, set_generators


@contextmanager
def starting(plan: Plan, folder: Path, chosen: bool, thawed: bool = False) -> Iterator[tuple[Plan, Start]]:
    """Finds the run that `resume` names; within this context, no other process can resume it.

    The plan comes back without the setting itself, so that a run looks the same however often it was
    stopped.

    Args:
        folder: of a new run.
        chosen: whether the user gave this folder, so that `resume=auto` looks in no other.
        thawed: whether the run in the folder may go on although it was pruned, or is finished.

    Raises:
        UserError: the named run cannot be resumed.
    """
    start = _find(plan, folder, chosen, thawed) if rank() == 0 else Start(folder)
    if start.folder != folder:
        with suppress(OSError):
            folder.rmdir()  # made for a new run; this process may be killed before it cleans up
    cfg = plan.cfg  # of this run alone, see `make_plan`
    put(cfg, "resume", {"run": None, "allow": []})
    if EXPERIMENT in plan.chosen and (experiment := start.past.settings.get(EXPERIMENT)) is not None:
        OmegaConf.update(cfg, EXPERIMENT, experiment)  # a resumed run is the same run in MLflow
    try:
        if start.journal is not None:
            start = _with_checkpoint(plan, start)
        done, fold, checkpoint, settings = broadcast(
            (start.done, start.fold, start.checkpoint, start.past.settings)
        )
        keep_arithmetic(cfg, settings)
        yield plan.with_config(cfg), replace(start, done=done, fold=fold, checkpoint=checkpoint)
    finally:
        if start.journal is not None:
            start.journal.close()


def keep_arithmetic(cfg: DictConfig, settings: Mapping[str, str]) -> None:
    """Gives a configuration the version of the arithmetic of a run that was begun, its `fuse`, and its choice
    of the best epoch.

    Args:
        settings: of that run, as text by dotted key; {} of a new run.
    """
    if settings:
        OmegaConf.update(cfg, ARITHMETIC, int(settings.get(ARITHMETIC, EARLIEST)), force_add=True)
        fuse = settings.get(FUSE, OFF)
        if BEST_BY not in settings and OmegaConf.select(cfg, BEST_BY) is not None:
            OmegaConf.update(cfg, BEST_BY, None)
        OmegaConf.update(cfg, FUSE, fuse if fuse in (FUSE_AUTO, OFF) else int(fuse), force_add=True)


def _with_checkpoint(plan: Plan, start: Start) -> Start:
    """Returns the start with the finished folds, and the checkpoint of the first unfinished one."""
    done = Done(start.folder).read()
    unfinished = next((fold for fold in plan.folds if fold.number not in done), None)
    if unfinished is None:
        message = "all folds are trained: only the remaining files are written."
        return replace(start, done=done, notes=[*start.notes, message])
    folder = start.folder / key_of(unfinished, len(plan.folds)) / CHECKPOINTS
    config = Secrets(plan.cfg).config
    digests = {digest(plan.table, config), *earlier_digests(start.past, plan.table)}
    start = replace(start, done=done, fold=unfinished.number)
    if start.past.settings.get(FUSE, OFF) != OFF:
        start = replace(start, others=_others(plan, start, digests))
    place = unfinished.label if len(plan.folds) > 1 else "the training"
    try:
        checkpoint = newest(folder, unfinished.number, digests)
    except DamagedCheckpoint as error:
        if start.named:
            raise UserError(str(error), "name another run, or start anew without resume") from error
        return replace(start, notes=[*start.notes, f"{error}: {place} starts from the beginning."])
    if checkpoint is None:
        return replace(
            start, notes=[*start.notes, f"{place} has no checkpoint yet: it starts from the beginning."]
        )
    where = "after epoch" if checkpoint.entries[-1].whole else "within epoch"
    message = f"{place} resumes {where} {checkpoint.entries[-1].epoch}, step {checkpoint.entries[-1].step}."
    skipped = [] if checkpoint.damaged is None else [checkpoint.damaged]
    return replace(start, checkpoint=checkpoint, notes=[*start.notes, *skipped, message])


def _others(plan: Plan, start: Start, digests: set[str]) -> dict[int, LatestCheckpoint]:
    """The checkpoints of the unfinished folds after the first; a fold without an intact one starts anew."""
    checkpoints = {}
    for fold in plan.folds:
        if fold.number not in start.done and fold.number != start.fold:
            with suppress(DamagedCheckpoint):
                checkpoint = newest(
                    start.folder / key_of(fold, len(plan.folds)) / CHECKPOINTS, fold.number, digests
                )
                if checkpoint is not None:
                    checkpoints[fold.number] = checkpoint
    return checkpoints


def check_step(experiment: Experiment, start: Start) -> None:
    """Trains one step from the checkpoint on copies of model and optimizer; changes nothing.

    Raises:
        UserError: the checkpoint does not fit a setting that `resume.allow` let change.
    """
    if start.checkpoint is None or not start.lenient:
        return
    kept = generators(experiment.trainer.device)
    trainer, model = copy.deepcopy((experiment.trainer, experiment.model))
    training: Any = trainer.fit(
        model,
        experiment.loaders,
        experiment.augment,
        validate=lambda predictor: {},
        stop=lambda: True,
        state=start.checkpoint.state["trainer"],
    )
    try:
        next(training, None)
    except (RuntimeError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".:")
        raise UserError(
            f"{start.checkpoint.entries[-1].path.name} does not fit the changes of resume.allow ({reason})",
            "revert the change, or start a new run",
        ) from error
    finally:
        training.close()
        set_generators(kept, experiment.trainer.device)


def _find(plan: Plan, folder: Path, chosen: bool, thawed: bool) -> Start:
    run = plan.cfg.resume.run
    if run is None:
        return Start(folder)
    if run != AUTO:
        return _named(plan, _located(run, Path(plan.cfg.outputs)), f"resume={run}")
    if not chosen:
        return _newest(plan, folder)
    if (folder / JOURNAL).exists():
        start = _named(plan, folder, f"resume=auto with hydra.run.dir={folder}", thawed)
        # "auto": a training whose only checkpoint is damaged starts from the beginning.
        return replace(start, named=False)
    return Start(folder, notes=[f"resume=auto: {folder} holds no run yet; a new run starts."])


def _newest(plan: Plan, folder: Path) -> Start:
    """Returns the newest unfinished run with the same configuration, or a new start."""
    outputs = Path(plan.cfg.outputs)
    journals = sorted(Outputs(outputs).journals(), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    notes = []
    for journal in journals:
        earlier = journal.parent
        past = RunHistory(read(earlier)[0])
        if _over(past) or past.running:
            continue
        changed = changed_settings(past, plan)
        if changed:
            words, explained = earlier_settings(past, changed)
            if words and all(below(key, explained) for key in changed) and same_source(past, plan):
                reason = "an earlier version of harness began it, and it is resumed with"
                notes.append(f"resume=auto: {earlier} has this data: {reason} {' '.join(words)}.")
            continue
        difference = other_data(earlier, past, plan)
        if difference:
            notes.append(f"resume=auto: {earlier} has this configuration, and other data ({difference}).")
            continue
        claimed = claim(earlier)
        if claimed is not None and claimed.journal is not None and _over(claimed.past):
            claimed.journal.close()  # another process finished it meanwhile
        elif claimed is not None:
            lenient = bool(plan.cfg.resume.allow)
            return replace(claimed, lenient=lenient, notes=[*notes, f"resume=auto: resuming {earlier}."])
    none = f"resume=auto: no unfinished run with this configuration below {outputs}; a new run starts."
    return Start(folder, notes=[*notes, none])


def _named(plan: Plan, folder: Path, command: str, thawed: bool = False) -> Start:
    """Returns the run in a folder; raises UserError if it cannot be resumed."""
    if not (folder / JOURNAL).exists():
        _refuse(command, f"{folder} holds no run", "name the folder of a run, or resume=auto")
    start = claim(folder)
    if start is None or start.past.running:
        _refuse(command, "that run is still running", "wait for it, or stop it first")
    try:
        _check(plan, start, command, thawed)
    except UserError:
        if start.journal is not None:
            start.journal.close()
        raise
    message = [] if str(folder) in command else [f"{command}: resuming {folder}."]
    return replace(start, named=True, lenient=bool(plan.cfg.resume.allow), notes=message)


def _check(plan: Plan, start: Start, command: str, thawed: bool) -> None:
    past = start.past
    if past.start is None:
        return  # its process ended before it wrote its start: there is nothing to compare with
    if past.ended("") in OVER and not thawed:
        ended = "was pruned" if past.ended("") == "pruned" else "is finished"
        _refuse(command, f"that run {ended}", "leave resume out to run it anew")
    if past.diverged:
        remedy = "start a new run with the changes that its error suggests"
        _refuse(command, "the training of that run diverged, and resuming would repeat it", remedy)
    changed = changed_settings(past, plan)
    check_allow(plan, changed)
    if changed:
        message = listed((f"{key} {old} -> {new}" for key, (old, new) in changed.items()), most=10)
        accept = f"revert them, or accept them with {typed('resume.allow', changed)}"
        remedy = remedy_for(past, changed, accept)
        _refuse(command, f"a run continues with its own configuration, and these differ: {message}", remedy)
    difference = other_data(start.folder, past, plan)
    if difference:
        _refuse(command, f"that run had other data ({difference})", "restore them, or start a new run")


def _refuse(command: str, reason: str, remedy: str) -> NoReturn:
    raise UserError(f"{command} cannot be done: {reason}", remedy, key="resume")


def claim(folder: Path) -> Start | None:
    """Locks the journal of a run, then reads the run; None if another process has the lock.

    Raises:
        DamagedFile: a file of the run cannot be read or replaced.
    """
    check_entries(folder)
    journal = Journal(folder)
    if not journal.claim():
        journal.close()
        return None
    past = RunHistory(read(folder)[0])
    if past.start is None:
        past = RunHistory()  # the process ended before it wrote its start
    return Start(folder.absolute(), journal, past)


def _over(past: RunHistory) -> bool:
    return past.start is None or past.ended("") in OVER or past.diverged


def _located(run: str, outputs: Path) -> Path:
    """The folder of the run that is named, in any way that `Outputs.find` knows.

    Raises:
        UserError: there is none.
        OutsideFolder: a folder from elsewhere contains a link that leaves it.
    """
    path = user_path(run)
    if path.is_file():
        read_named(path)
        raise UserError(
            f"resume={run} names a checkpoint", "name the folder of its run", key="resume", value=run
        )
    # A path is used as it is: a run that was killed at its start may have too few files to be found by name.
    if not path.is_dir():
        return Outputs(outputs).find(run).folder
    if not Outputs(outputs).made(path):
        check_tree(path)
    return path
