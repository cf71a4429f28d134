"""Runs one trial: from its overrides to the results of its runs."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from harness.config.instantiate import build
from harness.core.errors import Frozen, Pruned, UserError
from harness.core.fold import Fold
from harness.core.progress import Progress
from harness.record.run_record import RESULT
from harness.run import run
from harness.runs.journal import Journal, read
from harness.runs.run_history import OVER, RunHistory
from harness.runs.run_result import Result
from harness.runs.trial import EVERYTHING, Costs, Keeps, Trial, no_costs
from harness.runtime import provenance
from harness.runtime.config_nodes import put
from harness.runtime.masked_output import mask_also
from harness.runtime.process_group import broadcast, rank, world
from harness.stages.deferred_test import run_deferred_test
from harness.sweep.worker.kept_models import remove_checkpoints
from harness.sweep.worker.pruning_steps import OnEpoch, PruningSteps, Report, RunSteps
from harness.sweep.worker.sweep_spec import OF_THE_SWEEP, SweepSpec, Tracking
from harness.sweep.worker.trial_assignment import TimedOut, TrialAssignment
from harness.sweep.worker.trial_config import TrialComposer
from harness.trainer.fused.joint_runs import JointRuns


@dataclass(frozen=True)
class HarnessRuns:
    """The trials of `python -m harness -m`: each is a run, or `sweep.repeat` runs; see `TrialRunner`."""

    composer: TrialComposer

    @property
    def sweep_keys(self) -> tuple[str, ...]:
        return OF_THE_SWEEP

    def whole(self, words: Sequence[str]) -> list[str]:
        return self.composer.whole(words)

    def run(
        self,
        spec: SweepSpec,
        assignment: TrialAssignment,
        report: Report,
        on_epoch: OnEpoch,
        keeps: Keeps = EVERYTHING,
        joint: JointRuns | None = None,
        costs: Costs = no_costs,
    ) -> list[Result]:
        return run_trial(spec, assignment, self.composer, report, on_epoch, keeps, joint, costs)

    def test(self, spec: SweepSpec, assignment: TrialAssignment) -> None:
        test_trial(spec, assignment, self.composer)

    def forget(self, folder: Path) -> None:
        remove_checkpoints(folder)

    def settings(self, config: DictConfig) -> DictConfig:
        return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])

    def tracking(self, spec: SweepSpec, config: DictConfig) -> Tracking:
        name_experiment(spec, config)
        tracking: Tracking = build(config.tracking, "tracking")
        return tracking

    def command(self, words: Sequence[str], many: bool = False) -> str:
        return provenance.command([*(["-m"] if many else []), *self.composer.options, *words])


def name_experiment(spec: SweepSpec, cfg: DictConfig) -> None:
    """Replaces `tracking.experiment=auto` of a configuration by the experiment of the sweep."""
    if cfg.tracking.get("experiment") == "auto" and spec.experiment is not None:
        OmegaConf.update(cfg, "tracking.experiment", spec.experiment)


def run_trial(
    spec: SweepSpec,
    assignment: TrialAssignment,
    composer: TrialComposer,
    report: Report,
    on_epoch: OnEpoch,
    keeps: Keeps = EVERYTHING,
    joint: JointRuns | None = None,
    costs: Costs = no_costs,
) -> list[Result]:
    """Trains the trial once per repeat; a run that an earlier worker finished is not trained again.

    Args:
        report: called by rank 0 with a step and its value; returns whether the trial is to be pruned.
        on_epoch: called as `OnEpoch` at the end of each epoch.
        keeps: see `Trial`; of several repeats, all files are kept.
        joint: the trainings of other trials, with which this one is trained; its repeats advance together.
        costs: see `Trial`.

    Raises:
        Pruned: the pruner ended the trial, or froze it (Frozen).
        TimedOut: it took longer than `sweep.timeout`.
        Exception: whatever the run raises.
    """
    steps = PruningSteps(
        spec.objectives,
        axis=spec.settings.axis,
        units=(spec.folds, spec.settings.repeat),
        report=lambda step, value: broadcast(report(step, value) if rank() == 0 else False),
        on_epoch=on_epoch,
        reported=assignment.reported,
        epochs=spec.epochs,
        compared=spec.compared,
        halt=assignment.halt,
        freezes=spec.halving is not None,
    )
    deadline = _Deadline(spec.settings.timeout)
    repeats = range(spec.settings.repeat)
    of = (spec, assignment, composer, costs)
    if joint is not None and len(repeats) > 1:
        consumers = [(deadline, run) for run in steps.runs_together()]
        return joint.all_of([partial(_run, of, n, consumers[n], EVERYTHING, joint) for n in repeats])
    once = spec.settings.repeat == 1 and world() == 1
    results = []
    for repeat in repeats:
        steps.start_run(repeat)
        results.append(_run(of, repeat, (deadline, steps), keeps if once else EVERYTHING, joint))
    return results


def test_trial(spec: SweepSpec, assignment: TrialAssignment, composer: TrialComposer) -> None:
    """Scores the test rows of a trial that deferred them.

    Raises:
        UserError: its model is gone.
    """
    for repeat in range(spec.settings.repeat):
        cfg, folder, command, trial = _configured((spec, assignment, composer, no_costs), repeat)
        earlier = _earlier_result(folder)
        if earlier is not None and not any(name.startswith("test/") for name in earlier.scores):
            run_deferred_test(cfg, folder, command, trial)


_Of = tuple[SweepSpec, TrialAssignment, TrialComposer, Costs]
"""The trial that a run belongs to."""


def _configured(of: _Of, repeat: int) -> tuple[DictConfig, Path, str, Trial]:
    """Configuration, folder, command and trial of one run of the trial."""
    spec, assignment, composer, costs = of
    given = [word for word in assignment.overrides if word not in spec.fuse_words]
    overrides = [*given, *spec.fuse_words]
    folder, parent = spec.folder / assignment.folder, ".."
    shared = frozenset(spec.space.fixed)
    cfg = composer.task(overrides, shared)
    secrets = composer.secrets(overrides, shared)
    mask_also(secrets)
    if spec.settings.repeat > 1:
        seed = cfg.seed + repeat
        overrides.append(f"seed={seed}")
        cfg, folder, parent = composer.task(overrides, shared), folder / f"seed-{seed}", "../.."
    repeated = provenance.command([*composer.options, *(secrets.text(override) for override in overrides)])
    if not spec.keeps_checkpoints:
        # The optimizer states of all trials would fill the disk: the last ones stay of the best trials.
        put(cfg.checkpoint, "finished", "last" if spec.settings.extendable else "none")
    name_experiment(spec, cfg)
    if rank() > 0:
        OmegaConf.update(cfg, "tracking", {"_target_": "harness.tracking.none.Untracked"}, merge=False)
    study = spec.location.study
    tags = {"sweep": study, "study": study, "trial": assignment.number}
    tests = assignment.test or spec.settings.test == "all"
    each_fold = spec.settings.axis == "folds" and spec.pruner is not None
    compared = () if spec.compared is None else (spec.compared,)
    follows = frozenset(objective.name for objective in (*spec.objectives, *compared))
    outputs = spec.settings.predictions
    place = Trial(
        assignment.number,
        parent,
        tags,
        tests,
        each_fold=each_fold,
        follows=follows,
        outputs=outputs,
        thawed=assignment.thawed,
        costs=costs,
    )
    return cfg, folder, repeated, place


def _run(
    of: _Of,
    repeat: int,
    steps: tuple[_Deadline, PruningSteps | RunSteps],
    keeps: Keeps,
    joint: JointRuns | None,
) -> Result:
    spec, assignment, _, _ = of
    cfg, folder, command, trial = _configured(of, repeat)
    earlier = _earlier_result(folder)
    if earlier is not None and earlier.status == "finished":
        steps[1].run_was_finished(earlier.scores)
        return earlier
    if earlier is not None and earlier.status == "pruned" and not assignment.thawed:
        raise (Frozen if spec.halving else Pruned)(earlier.error or "pruned by an earlier worker")
    put(cfg, "resume", {"run": "auto", "allow": list(spec.allowed)})
    if rank() > 0:  # scratch: what this process wrote when it ran the trial before
        shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return run(cfg, folder, steps, command=command, trial=replace(trial, keeps=keeps), joint=joint)


def _earlier_result(folder: Path) -> Result | None:
    """The result of a run that has ended in that folder; None where there is none."""
    result = None
    if rank() == 0:
        with suppress(FileNotFoundError, UserError):
            result = Result.read(folder / RESULT)
            _end_journal(folder, result)
    return broadcast(result)


def _end_journal(folder: Path, result: Result) -> None:
    """Records the end of a run that nobody resumes, and whose process was killed before it could do so."""
    if result.status not in OVER or RunHistory(read(folder)[0]).ended("") is not None:
        return
    journal = Journal(folder)
    journal.artifact("", RESULT)
    journal.end("", result.status, result.error)
    journal.close()


class _Deadline:
    """Ends a trial at the end of the epoch in which its time is up."""

    def __init__(self, minutes: float | None) -> None:
        self._minutes = minutes
        self._until = math.inf if minutes is None else time.monotonic() + 60 * minutes

    def __call__(self, fold: Fold, progress: Progress) -> None:
        del fold
        if broadcast(time.monotonic() > self._until):
            raise TimedOut(
                f"it took longer than sweep.timeout={self._minutes} minutes (epoch {progress.epoch})."
            )
