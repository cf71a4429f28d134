"""Mode: what `debug=…` does to a run. Without one, nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Protocol, final

from omegaconf import DictConfig

from harness.config.instantiate import build
from harness.prepare.experiment import Experiment
from harness.prepare.plan import Plan
from harness.record.fold_record import FoldRecord


class Mode(Protocol):
    """A choice of conf/debug, whose yaml sets what configuration can say, such as `trainer.epochs`.

    The mode itself does the rest: it is entered when a fold is ready to train and left when the fold
    is over, with the scores taken in between.

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
        """Within it, what the fold is run with; None: the mode has done all there was to do."""
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
    """The mode that `debug` describes.

    Raises:
        UserError: it refuses a value.
    """
    node = cfg.get("debug")
    made: Mode = Off() if node is None else build(node, "debug")
    return made


def limited(plan: Plan, debug: Mode) -> Plan:
    """The plan with as many of its folds as the mode runs; the leaks were looked for in all of them."""
    return replace(plan, folds=plan.folds[: debug.folds])
