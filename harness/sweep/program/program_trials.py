"""Runs the trials of another program: each is a call of its task, as Hydra makes it for a job."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from harness.core.errors import Frozen, Pruned, UserError
from harness.runs.run_result import Result, summarise
from harness.runs.trial import EVERYTHING, Costs, Keeps, no_costs
from harness.runtime.user_exit import exits_as_errors
from harness.sweep.inside_trial import RunningTrial, running
from harness.sweep.launch.launcher_job import compose, folder_words, work
from harness.sweep.program.program_command import ProgramCommand
from harness.sweep.program.program_settings import keys_of_the_sweep, sweep_node
from harness.sweep.program.returned_scores import returned_scores
from harness.sweep.report.sweep_result import PROGRAM_RESULT
from harness.sweep.worker.pruning_steps import OnEpoch, Report
from harness.sweep.worker.sweep_spec import SweepSpec, Tracking
from harness.sweep.worker.trial_assignment import TimedOut, TrialAssignment
from harness.tracking.none import Untracked

_PROCESS = secrets.token_hex(8)
"""Identifies the process that has imported this module, and those that are forked from it."""


@dataclass(frozen=True)
class Program:
    """What another process needs to compose the program's configuration and to call its task.

    task        the function under `hydra.main`
    config      of the multirun, Hydra's node included
    singletons  Hydra's state: its version base, the ConfigStore, resolvers, the name of the job
    process     where that state was made
    """

    task: TaskFunction
    context: HydraContext
    config: DictConfig
    singletons: Any
    process: str = _PROCESS

    def enter(self) -> None:
        """Gives Hydra's state to a process that no launcher has prepared, such as a worker's child."""
        if self.process != _PROCESS and self.process not in _entered:
            setup_globals()
            Singleton.set_state(self.singletons)
            _entered.add(self.process)


_entered: set[str] = set()


@dataclass(frozen=True)
class ProgramTrials:
    """The trials of another program; see `TrialRunner`."""

    program: Program
    typed: ProgramCommand

    @property
    def sweep_keys(self) -> tuple[str, ...]:
        return ("sweep",) if "sweep" in keys_of_the_sweep(self.program.config) else ("hydra/sweeper",)

    def whole(self, words: Sequence[str]) -> list[str]:
        return list(words)

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
        """Calls the task, unless an earlier worker was killed after it had returned."""
        del on_epoch, keeps, joint, costs
        folder = spec.folder / assignment.folder
        with suppress(FileNotFoundError, UserError):
            return [Result.read(folder / PROGRAM_RESULT)]
        self.program.enter()
        single = len(spec.objectives) == 1
        trial = RunningTrial(
            report if single else lambda step, value: False,
            assignment.reported,
            assignment.halt,
            _deadline(spec.settings.timeout),
        )
        began = time.monotonic()
        with running(trial):
            value = self._call(assignment, spec)
        if trial.stopped is not None:
            step, reached = trial.stopped
            kind = Pruned if spec.halving is None else Frozen
            raise kind(f"stopped after step {step}, with {spec.objectives[0].name} of {reached:.4g}.")
        scores = returned_scores(value, spec.objectives)
        result = Result(
            status="finished",
            objective={**asdict(spec.objectives[0]), "value": scores[spec.objectives[0].name]},
            scores={name: summarise([score]) for name, score in scores.items()},
            folds=1,
            seconds=time.monotonic() - began,
            command=self.command(assignment.overrides),
        )
        result.write(folder / PROGRAM_RESULT)
        return [result]

    def test(self, spec: SweepSpec, assignment: TrialAssignment) -> None:
        """Programs have no test rows that harness knows of."""

    def forget(self, folder: Path) -> None:
        """The files of a program are its own."""

    def settings(self, config: DictConfig) -> DictConfig:
        """Only those of the sweep: the others may refer to what only a trial has, such as its folder."""
        return OmegaConf.create({"sweep": sweep_node(config)})

    def tracking(self, spec: SweepSpec, config: DictConfig) -> Tracking:
        return Untracked()

    def command(self, words: Sequence[str], many: bool = False) -> str:
        return self.typed.sweep(words) if many else self.typed.single(words)

    def _call(self, assignment: TrialAssignment, spec: SweepSpec) -> Any:
        """What the task returns, or raises."""
        program = self.program
        words = [*assignment.overrides, *folder_words(spec.folder, assignment.folder)]
        call = _Call(program.task)
        job = compose(program.context, program.config, words, assignment.number, call)
        work(program.context, job, call)
        if call.error is not None:
            raise call.error
        return call.value


class _Call:
    """Calls a task and keeps what it returns or raises: Hydra keeps errors, and prints them."""

    def __init__(self, task: TaskFunction) -> None:
        self.task = task
        self.value: Any = None
        self.error: BaseException | None = None

    def __call__(self, cfg: DictConfig) -> Any:
        try:
            with exits_as_errors():
                self.value = self.task(cfg)
        except BaseException as error:
            self.error = error
            raise
        return self.value


def _deadline(minutes: float | None) -> Callable[[], None]:
    until = math.inf if minutes is None else time.monotonic() + 60 * minutes

    def check() -> None:
        if time.monotonic() > until:
            raise TimedOut(f"it took longer than sweep.timeout={minutes} minutes.")

    return check
