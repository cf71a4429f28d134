"""The interface of the choices of `debug=`, and the default that changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Protocol, final

from omegaconf import DictConfig

from harness.config.instantiate import build
from harness.core.fold import first_folds
from harness.prepare.experiment import Experiment
from harness.prepare.plan import Plan
from harness.record.fold_record import FoldRecord


class Mode(Protocol):
    """A choice of conf/debug. Its yaml sets ordinary settings, such as `trainer.epochs`.

    The mode does the rest: it is entered when a fold is ready to train and left when the fold has ended; the
    fold is scored in between.

    folds  how many of the folds are run; None: all
    says   what it changes, in one sentence for the screen; "": nothing
    """

    @property
    def folds(self) -> int | None: ...

    @property
    def says(self) -> str: ...

    def __call__(
        self, experiment: Experiment, fold_record: FoldRecord, stop: Callable[[], bool]
    ) -> AbstractContextManager[Experiment | None]:
        """Yields the experiment to run; None: the mode has done everything itself."""
        ...


@final
class Off:
    """No debugging: a run as it is configured."""

    folds = None
    says = ""

    @contextmanager
    def __call__(
        self, experiment: Experiment, fold_record: FoldRecord, stop: Callable[[], bool]
    ) -> Iterator[Experiment | None]:
        yield experiment


def mode(cfg: DictConfig) -> Mode:
    """Builds the mode that `debug` configures.

    Raises:
        UserError: it refuses a value.
    """
    node = cfg.get("debug")
    made: Mode = Off() if node is None else build(node, "debug")
    return made


def limited(plan: Plan, debug: Mode) -> Plan:
    """Returns the plan with only the folds that the mode runs; the leakage checks have covered all folds."""
    return replace(plan, folds=first_folds(plan.folds, debug.folds))
