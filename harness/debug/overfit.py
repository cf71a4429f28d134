"""debug=overfit: trains on one batch; a model that cannot learn one batch cannot learn the data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, final

from harness.core.errors import Unproved
from harness.debug.step_observer import losses
from harness.prepare.experiment import Experiment
from harness.record.fold_record import FoldRecord


@final
class Overfit:
    """Trains on one batch for at most `trainer.steps`, and reports whether its loss has fallen far enough.

    Args:
        falls_to: the share of its first value that the loss is to reach, in (0, 1); a loss that begins
            below 0 is to fall by as much of its size. "auto": a tenth, or of a trainer that learns a
            representation, whose losses have a floor well above 0, nine tenths.

    Raises:
        ValueError: the share is out of range.
    """

    folds = 1
    says = (
        "debug=overfit: one batch is trained again and again, unaugmented and at a constant rate; "
        "nothing is evaluated or tracked"
    )

    def __init__(self, *, falls_to: float | Literal["auto"]) -> None:
        if falls_to != "auto" and not 0 < falls_to < 1:
            raise ValueError(f"falls_to must be auto, or above 0 and below 1, got {falls_to}")
        self.falls_to = falls_to
        self._share = 0.1 if falls_to == "auto" else falls_to

    @contextmanager
    def __call__(
        self, experiment: Experiment, fold_record: FoldRecord, stop: Callable[[], bool]
    ) -> Iterator[Experiment | None]:
        if self.falls_to == "auto" and experiment.trainer.learns == "representation":
            self._share = 0.9
        losses = list(self._losses(experiment, stop))
        if losses and not stop():
            fold_record.screen.note(self._conclusion(losses))
        yield None

    def _losses(self, experiment: Experiment, stop: Callable[[], bool]) -> Iterator[float]:
        """Yields the loss of each step, up to the first that is low enough."""
        goal = None
        for loss in losses(experiment, stop, same=True):
            yield loss
            goal = self.goal(loss) if goal is None else goal
            if loss <= goal:
                return

    def goal(self, first: float) -> float:
        """Returns the value that a loss which begins at `first` must reach."""
        return first - (1 - self._share) * abs(first)

    def _conclusion(self, losses: list[float]) -> str:
        """Returns a sentence about the loss that was reached.

        Raises:
            Unproved: it has not fallen far enough.
        """
        first, goal = losses[0], self.goal(losses[0])
        if losses[-1] <= goal:
            return f"the loss of one batch fell from {first:.4g} to {losses[-1]:.4g} in {len(losses)} steps"
        raise Unproved(
            f"the loss of one batch was to fall from {first:.4g} to {goal:.4g} and reached {min(losses):.4g} "
            f"in {len(losses)} steps; try another trainer.optimizer.lr (debug=lr finds one), more "
            "trainer.steps or less regularisation, set debug.falls_to higher where the loss has a floor "
            "(label smoothing, most contrastive methods), and look whether the targets belong to their rows."
        )
