"""The folds of a run, trained together: the choice, the training, and each fold's scores and record."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from harness.config.check_memory import without_fractions
from harness.core.errors import Frozen
from harness.core.fold import Fold
from harness.core.fuse_setting import AUTO, FUSE, OFF
from harness.core.name_list import counted
from harness.core.progress import Progress
from harness.core.walk import passes
from harness.data.cache.command_scope import current
from harness.prepare.experiment import Experiment, prepare, scores_of_each
from harness.prepare.plan import Plan
from harness.record.fold_record import FoldRecord
from harness.record.run_record import Record
from harness.record.run_start import Start
from harness.runs.trial import Trial
from harness.runtime.config_nodes import put
from harness.runtime.garbage_collection import collect_as_usual
from harness.runtime.out_of_memory import enough_memory
from harness.runtime.stop_signals import Stop
from harness.stages.calibrate import calibrated
from harness.stages.fold_events import Consumer, report_done, report_progress, report_start
from harness.stages.score_fold import score_fold
from harness.trainer.fused.fuse_rule import StepSize, is_faster, known_reason, why_alone
from harness.trainer.fused.fused_member import JointValidation, Member
from harness.trainer.fused.group_memory import fitting
from harness.trainer.fused.group_training import fit_members
from harness.trainer.fused.joint_runs import JointRuns
from harness.trainer.fused.training_kind import kind_of

_MOST = 256
"""Folds in a group: with more of them a step is no faster for each."""


class _Fused(NamedTuple):
    """A fold of a group that trains."""

    record: FoldRecord
    experiment: Experiment
    member: Member


def choose_fuse(plan: Plan, first: Experiment, alone: str) -> tuple[Plan, int | None]:
    """The plan with a value of `fuse` for `auto`, and how many folds train together; None: each alone.

    Args:
        first: a fold that is ready to train.
        alone: why this run trains each fold alone; "": nothing speaks against a fused training.
    """
    asked = plan.cfg.get(FUSE, OFF)
    asked = OFF if asked is False else asked
    folds = len(plan.folds)
    if asked == OFF or (folds == 1 and asked == AUTO):
        return _with(plan, OFF, "each fold alone (fuse=off)" if folds > 1 else ""), None
    parts = (first.trainer, first.model, first.loaders, first.augment)
    reason = alone or known_reason(*parts) or ""
    if not reason and asked == AUTO:
        load = plan.cfg.data.load
        sizes = [len(fold.train) for fold in plan.folds]
        step = StepSize.of(*parts)
        faster = is_faster(step, sizes, load.batch_size, bool(load.get("share_last")))
        reason = "" if faster else "that is faster for this model"
    # A step is tried last: it calls the model.
    reason = reason or reason_alone(plan, first)
    if reason:
        chosen = OFF if asked == AUTO else asked
        return _with(plan, chosen, f"each fold alone: {reason}"), None
    size = min(folds, _MOST if asked == AUTO else int(asked))
    if size > 1:  # looking at the memory takes as long as some steps
        size = min(size, fitting(_member(first)))
    together = (
        f"{counted(folds, 'fold')} as one training" if size >= folds else f"{size} of {folds} folds at a time"
    )
    return _with(plan, size if asked == AUTO else asked, together), size


def why_each_alone(plan: Plan, trial: Trial | None = None, consumers: Sequence[Consumer] = ()) -> str:
    """Why this run trains each fold alone, whatever its model is; "" where it may train them together."""
    if trial is None and consumers:
        return "a function of the caller follows each fold"
    if trial is not None and trial.each_fold:
        return "sweep.axis=folds compares trials fold by fold"
    for key in ("callbacks", "debug"):
        if plan.cfg.get(key):
            return f"{key} is set"
    return "pretrain.words is set" if plan.before is not None else ""


def reason_alone(plan: Plan, first: Experiment) -> str:
    """Why the model or a part keeps this training from being a member of a fused one; "": nothing does.

    A step is tried, unless an earlier run of this command tried the same parts.
    """
    trainer, model, loaders = first.trainer, first.model, first.loaders
    parts = [plan.parts.node(key) for key in ("trainer", "model", "data.load", "data.augment")]
    form = (loaders.shape, loaders.codes, loaders.task, len(loaders.train.rows))
    key = f"fused {without_fractions(parts)} {form} {kind_of(model)}"
    return current().shared(key, lambda: why_alone(trainer, model, loaders, first.augment) or "")


def _with(plan: Plan, value: int | str, line: str) -> Plan:
    cfg = plan.cfg  # of this run alone, see `make_plan`: a copy takes as long as a step of a small trial
    put(cfg, FUSE, value)
    return plan.with_config(cfg, fuse=line)


def run_together(
    plan: Plan,
    start: Start,
    record: Record,
    ready: list[Experiment],
    size: int,
    stop: Stop,
    consumers: Sequence[Consumer],
    joint: JointRuns | None = None,
) -> None:
    """Trains, scores and records all folds, `size` at a time.

    The folds of a group are scored in order after their training. A fold that diverged fails the run when
    its turn comes, after the scores of those before it.

    Args:
        ready: the first fold to train, if it is prepared.
        joint: the trainings that those of this run are trained with.

    Raises:
        Diverged: the loss of a fold became NaN.
        OutOfMemory: the step of a fold did not fit into the memory, not even alone.
        Interrupted: a signal came.
    """
    collect_as_usual()
    for consumer in consumers:
        folds_together = getattr(consumer, "folds_together", None)
        if folds_together is not None:
            folds_together(min(size, len(plan.folds)))
    for folds in _groups(plan.folds, start, size):
        records = [record.fold_record(fold) for fold in folds]
        group: dict[int, _Fused] = {}
        for fold_record in records:
            if fold_record.fold.number not in start.done:
                experiment = ready.pop() if ready else prepare(plan, fold_record.fold)
                member = _member(experiment, fold_record.training)
                group[fold_record.fold.number] = _Fused(fold_record, experiment, member)
                report_start(fold_record, consumers)
        for together in _of_one_kind(group.values()):
            _train(together, stop, consumers, joint)
        for fold_record in records:
            number = fold_record.fold.number
            if number in start.done:
                fold_record.read_back(start.done[number], plan.table)
            else:
                _score(group.pop(number), plan, stop)
            report_done(fold_record, consumers)


def _groups(folds: Sequence[Fold], start: Start, size: int) -> Iterator[list[Fold]]:
    """Neighbouring folds, of which `size` at most are not done."""
    group: list[Fold] = []
    for fold in folds:
        waiting = sum(other.number not in start.done for other in group)
        if waiting == size and fold.number not in start.done:
            yield group
            group = []
        group.append(fold)
    yield group


def _of_one_kind(group: Iterable[_Fused]) -> list[list[_Fused]]:
    """The folds by the kind of their model; nearly always all are of one."""
    kinds: dict[Hashable, list[_Fused]] = {}
    for fold in group:
        kinds.setdefault(kind_of(fold.experiment.model), []).append(fold)
    return list(kinds.values())


def _member(experiment: Experiment, state: dict[str, Any] | None = None) -> Member:
    """A fold's training; its random numbers are those that the process has after the fold was prepared.

    Args:
        state: of an earlier, interrupted training.
    """
    parts = (experiment.model, experiment.loaders, experiment.augment, experiment.validate)
    joint = JointValidation(experiment.answers, scores_of_each)
    return Member(experiment.trainer, *parts, state, joint=joint)


def _train(
    group: Sequence[_Fused], stop: Stop, consumers: Sequence[Consumer], joint: JointRuns | None
) -> None:
    """The trainings of the folds, from their checkpoints on."""
    passes("train")
    fit = fit_members if joint is None else joint.fit
    first = group[0].record
    records = {id(fold.member): fold.record for fold in group}
    reported: set[int] = set()
    allowed = False
    latest: dict[int, Progress] = {}  # of the trainings that are not over
    with stop.after_step(), first.checkpoints.pace as pace, enough_memory(first.config):
        try:
            for member, progress in fit([fold.member for fold in group], stop, pace.due):
                if (
                    id(member) in reported or not reported
                ):  # a new epoch: all folds write a checkpoint, or none
                    reported.clear()
                    allowed = pace.allows(len(group), sharing=1 if joint is None else joint.training)
                reported.add(id(member))
                latest.pop(id(member), None)
                settle = None if joint is None else joint.settle
                report_progress(records[id(member)], progress, stop, consumers, allowed, settle)
                if progress.whole and not progress.last:
                    latest[id(member)] = progress
        except Frozen:  # the other folds stop with the one that reported, at the same epoch
            for key, progress in latest.items():
                records[key].checkpoint(progress, stopping=True)
            raise
    stop.raise_if_asked()


def _score(fold: _Fused, plan: Plan, stop: Stop) -> None:
    """Scores and records a trained fold.

    Raises:
        Diverged: its loss became NaN.
        OutOfMemory: its step did not fit into the memory.
    """
    if fold.member.failure is not None:
        with enough_memory(fold.record.config):
            raise fold.member.failure
    parts = ("valid",) if fold.record.deferred else ("valid", "test")
    with fold.member.random.active():
        experiment = calibrated(fold.experiment)
        wanted, before = fold.record.validation_size > 0, fold.record.outputs_before
        scores = score_fold(experiment, plan.table, stop, parts, wanted, before)
        scores.write(fold.record, plan.table)
        fold.record.keep(experiment, plan.table)
