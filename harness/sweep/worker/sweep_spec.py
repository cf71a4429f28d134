"""Everything that a worker must know of its sweep, in whichever process it works."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from omegaconf import DictConfig
from optuna.pruners import BasePruner

from harness.core.fuse_setting import FUSE
from harness.runs.run_result import Result
from harness.runs.trial import EVERYTHING, Costs, Keeps, no_costs
from harness.sweep.space.search_space import Space
from harness.sweep.space.swept_value import Point, Value
from harness.sweep.study.earlier_trials import EarlierSweep
from harness.sweep.study.pruning import build_pruner
from harness.sweep.study.snapshot import Objective
from harness.sweep.study.successive_halving import SuccessiveHalving
from harness.sweep.study.sweep_cost import Account, read_budget
from harness.sweep.study.sweep_location import SweepLocation
from harness.sweep.study.sweep_settings import SweepSettings, tariff_of
from harness.sweep.study.trial_claim import Budget
from harness.sweep.worker.pruning_steps import OnEpoch, Report
from harness.sweep.worker.trial_assignment import TrialAssignment
from harness.tracking.run_link import Link

OF_THE_SWEEP = ("sweep", "resume", "hydra/sweeper", "hydra/launcher", "hydra/sweep")
"""Keys, with all that is below them, of words that a single run of harness does not take."""


class Tracking(Protocol):
    """The object that `cfg.tracking` describes."""

    tags: Mapping[str, str]

    def follow(self, folder: Path) -> None: ...

    def link(self, folder: Path, timeout: float | None = None) -> Link | None: ...

    def settle(self, folder: Path, timeout: float | None = None) -> Link | None: ...


class TrialRunner(Protocol):
    """What the trials of a sweep are. It is pickled for the workers.

    sweep_keys  keys, with all that is below them, that a trial alone does not take
    """

    @property
    def sweep_keys(self) -> tuple[str, ...]: ...

    def whole(self, words: Sequence[str]) -> list[str]:
        """The overrides of a trial, followed by those that follow from them."""

    def run(
        self,
        spec: SweepSpec,
        assignment: TrialAssignment,
        report: Report,
        on_epoch: OnEpoch,
        keeps: Keeps = EVERYTHING,
        joint: Any = None,
        costs: Costs = no_costs,
    ) -> list[Result]:
        """Runs a trial, or goes on with it; returns the result of each of its runs.

        Args:
            report: called with a step and its value; returns whether the trial is to be pruned.
            on_epoch: called as `OnEpoch` at the end of each epoch.
            keeps: see `Trial`.
            joint: the `JointRuns` with which this trial is trained; only where `spec.joint`.
            costs: see `Trial`.

        Raises:
            Pruned: the pruner ended the trial.
            TimedOut: it took longer than `sweep.timeout`.
            Exception: whatever the trial raises.
        """

    def test(self, spec: SweepSpec, assignment: TrialAssignment) -> None:
        """Scores the test rows of a complete trial."""

    def forget(self, folder: Path) -> None:
        """Removes the checkpoints in the folder of a trial that was frozen and will not go on."""

    def settings(self, config: DictConfig) -> DictConfig:
        """The settings that are recorded of a sweep, `sweep` among them, and whose secrets are masked."""

    def tracking(self, spec: SweepSpec, config: DictConfig) -> Tracking:
        """Where the sweep as a whole is tracked."""

    def command(self, words: Sequence[str], many: bool = False) -> str:
        """What a user types to run these overrides, or with `many` to sweep over them."""


@dataclass(frozen=True)
class SweepSpec:
    """Plain values only: it is pickled for other processes, perhaps on other machines.

    working_directory  where the command was typed; relative paths refer to it on every launcher
    runner             runs a trial
    typed              the overrides of the command line
    epochs             of a training; None where time or steps end it
    folds              of a run
    launch             identifies the workers that one command has launched
    token              of the command, whose processes share what is cached for it
    until              seconds since 1970, after which no trial starts; None: no limit
    sampler            the node of `sweep.sampler`; None: the points are queued
    pruner             the node of `sweep.pruner`; None: nothing is pruned
    experiment         of MLflow, where `tracking.experiment=auto`
    slots              how many trials a worker trains as one
    fuse               the value of `fuse` of all trials; None: each chooses
    rung               the first epoch at which a pruner may compare all trials
    compared           the score that a pruner compares, where that is not the objective
    points             to be tried, and no others; (): as sampler or space say
    allowed            settings in which a trial differs from the run in its folder, which it continues
    default            the point of the configuration without the sweep, which is tried first; {}: none
    earlier            what the sweep took from earlier ones
    started            when this command began, in seconds since 1970
    apart              whether each worker is on a machine of its own
    """

    location: SweepLocation
    working_directory: Path
    typed: tuple[str, ...]
    settings: SweepSettings
    space: Space
    runner: TrialRunner
    objectives: tuple[Objective, ...]
    epochs: int | None
    folds: int
    launch: str
    token: str
    until: float | None
    trials: int | None
    sampler: Mapping[str, Any] | None
    pruner: Mapping[str, Any] | None
    experiment: str | None = None
    slots: int = 1
    fuse: int | None = None
    rung: int = 1
    compared: Objective | None = None
    points: tuple[Point, ...] = ()
    allowed: tuple[str, ...] = ()
    default: Mapping[str, Value] = field(default_factory=dict)
    earlier: tuple[EarlierSweep, ...] = ()
    started: float = field(default_factory=time.time)
    apart: bool = False

    def new_pruner(self) -> BasePruner | None:
        """The pruner of the sweep, built anew; None: nothing is pruned."""
        units = self.folds * self.settings.repeat
        return build_pruner(self.pruner, self.epochs, units, self.settings.axis, self.rung)

    @cached_property
    def halving(self) -> SuccessiveHalving | None:
        """The pruner that freezes trials, which may go on later; None: a pruned trial is over."""
        pruner = self.new_pruner()
        return pruner if isinstance(pruner, SuccessiveHalving) else None

    @property
    def folder(self) -> Path:
        """The sweep's folder."""
        return self.location.folder

    @property
    def keeps_checkpoints(self) -> bool:
        """Whether the command says which checkpoints a finished trial keeps."""
        return any(word.startswith("checkpoint.finished=") for word in self.space.fixed)

    @property
    def joint(self) -> bool:
        """Whether a worker trains several trials, or the repeats of one, at the same time."""
        return self.slots > 1 or (self.fuse is not None and self.settings.repeat > 1)

    @property
    def fuse_words(self) -> list[str]:
        """The override of a trial that says how it is trained, where that is chosen for all trials."""
        return [] if self.fuse is None else [f"{FUSE}={self.fuse}"]

    def queued_points(self) -> Iterator[Point]:
        """The points to try first: every point of a grid, else those of `sweep.enqueue` and of earlier
        sweeps, and the default.

        Raises:
            UserError: a point of `sweep.enqueue` is not in the space.
        """
        if self.points:
            yield from self.points
        elif self.sampler is None:
            yield from self.space.grid()
        else:
            given = [self.space.complete(dict(point), "sweep.enqueue") for point in self.settings.enqueue]
            given += [point for each in self.earlier for point in each.tried if point not in given]
            yield from given
            room = self.trials is None or len(given) < self.trials
            if self.default and self.default not in given and room:
                yield dict(self.default)

    @property
    def exempt(self) -> Point | None:
        """The queued point that no pruner stops: the default, to which the best is compared; None: none."""
        drawn = self.sampler is not None and not self.points
        return dict(self.default) if drawn and self.default else None

    @property
    def budget(self) -> Budget:
        account = self.account if self.account.budget is not None else None
        noise = self.settings.until == "noise" and not self.points
        return Budget(self.trials, self.settings.stagnation, self.until, account, noise)

    @cached_property
    def account(self) -> Account:
        """What the sweep costs, and its budget."""
        tariff = tariff_of(self.settings, self.apart)
        budget = read_budget(self.settings.budget, tariff)
        return Account(budget, tariff, self.launch, self.started)

    @property
    def measures_energy(self) -> bool:
        """Whether something depends on the energy that is used."""
        budget = self.account.budget
        return self.settings.price_kwh is not None or (budget is not None and budget.unit == "joules")
