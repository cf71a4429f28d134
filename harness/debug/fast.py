"""debug=fast: a few batches of every part, to test a configuration from end to end in seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import final

from harness.debug.first_batches import Few, each
from harness.prepare.experiment import Experiment
from harness.record.fold_record import FoldRecord


@final
class Fast:
    """Trains and evaluates on the first batches of every part, and runs the first folds alone.

    Args:
        batches: of each part, in training an epoch, in evaluation all there is.
        folds: how many are run at most.

    Raises:
        ValueError: a value is below 1.
    """

    def __init__(self, *, batches: int, folds: int) -> None:
        for name, value in (("batches", batches), ("folds", folds)):
            if value < 1:
                raise ValueError(f"{name} must be 1 or more, got {value}")
        self.batches, self.folds = batches, folds
        self.says = (
            f"debug=fast: an epoch has {batches} batches, and validation and test have as many; of several "
            f"folds {folds} at most are run, and nothing is tracked. Such scores mean nothing"
        )

    @contextmanager
    def __call__(
        self, experiment: Experiment, fold_record: FoldRecord, stop: Callable[[], bool]
    ) -> Iterator[Experiment | None]:
        yield few(experiment, self.batches)


def few(experiment: Experiment, batches: int) -> Experiment:
    """Returns the experiment, its pre-training included, on the first batches of every part."""
    before, scratch, loaders = experiment.before, experiment.scratch, experiment.loaders
    unlabelled = None if loaders.unlabelled is None else Few(loaders.unlabelled, batches, whole=True)
    return replace(
        experiment,
        loaders=replace(each(loaders, lambda loader: Few(loader, batches)), unlabelled=unlabelled),
        before=None if before is None else few(before, batches),
        scratch=None if scratch is None else lambda: few(scratch(), batches),
    )
