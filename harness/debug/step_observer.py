"""Reads the loss of each step of a training without changing the trainer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import final

from torch import Tensor

from harness.core.arrays import Batch, Loader
from harness.core.predictor import Predictor
from harness.prepare.experiment import Experiment


def losses(experiment: Experiment, stop: Callable[[], bool], *, same: bool = False) -> Iterator[float]:
    """Trains the experiment and yields the loss of each optimizer step; nothing is evaluated.

    Args:
        stop: called after every step; true ends the training.
        same: whether every step takes the first step's batches again.

    Raises:
        Diverged: the loss, or its gradient, became NaN or infinite.
    """
    batches = experiment.trainer.update.accumulate
    loaders = experiment.loaders
    unlabelled = None if loaders.unlabelled is None else Steps(loaders.unlabelled, batches, same=same)
    train = Steps(loaders.train, batches, same=same)
    loaders = replace(loaders, train=train, unlabelled=unlabelled, valid=None, test=None)
    training = experiment.trainer.fit(experiment.model, loaders, experiment.augment, unjudged, stop)
    for progress in training:
        if progress.whole:
            yield progress.scores["train/loss"]


def unjudged(predictor: Predictor) -> dict[str, float]:
    """Returns no scores, for a training of which only the step losses are needed."""
    return {}


@final
class Steps:
    """A loader whose pass is one optimizer step: the next full batches of passes that follow one another.

    A trainer reports the loss of an epoch, which is then the loss of one step.

    Args:
        batches: of a step; more than one where gradients are accumulated.
        same: whether every step takes the first step's batches again.
    """

    def __init__(self, loader: Loader, batches: int, *, same: bool = False) -> None:
        self._loader, self._batches = loader, batches
        self._endless = _endless(loader)
        self._kept: list[Batch] = list(islice(self._endless, batches)) if same else []

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._kept) if self._kept else islice(self._endless, self._batches)

    def __len__(self) -> int:
        return self._batches

    def ordered(self) -> Iterator[Batch]:
        """The whole part."""
        return self._loader.ordered()

    @property
    def rows(self) -> Tensor:
        """(n,) int64, the rows of the whole part."""
        return self._loader.rows

    @property
    def targets(self) -> Tensor | None:
        """(n,) targets of `rows`, on the device."""
        return self._loader.targets


def _endless(loader: Loader) -> Iterator[Batch]:
    """Passes that follow one another, without the smaller batch at a pass's end.

    The loss of a contrastive method falls with the number of rows that a row is distinguished from, so that
    steps of different sizes would not compare.
    """
    full = 0
    while True:
        for batch in loader:
            full = full or len(batch.rows)
            if len(batch.rows) >= full:
                yield batch
