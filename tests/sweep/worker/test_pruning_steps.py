from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from harness.core.errors import Pruned
from harness.core.fold import Fold
from harness.core.progress import Progress
from harness.sweep.study.objectives import read_objectives
from harness.sweep.study.snapshot import Objective
from harness.sweep.worker.pruning_steps import PruningSteps

NAME = "valid/accuracy"


def fold(number: int) -> Fold:
    rows = np.arange(3)
    return Fold(number, rows[:1], rows[1:2], rows[2:])


class Watched:
    """The steps of a pruner, and what they reported: `reported` by step, `epochs_seen` in order."""

    def __init__(
        self,
        folds: int = 1,
        repeats: int = 1,
        stop_at: int | None = None,
        objectives: Any = NAME,
        **given: Any,
    ) -> None:
        self.reported: dict[int, float] = {}
        self.epochs_seen: list[tuple[int, int, float | None]] = []
        self.totals: list[int] = []
        self.stop_at = stop_at
        self.axis = PruningSteps(
            read_objectives(objectives, NAME),
            **{"axis": "epochs", **given},
            units=(folds, repeats),
            report=self.report,
            on_epoch=self.see,
        )

    def see(self, epoch: int, epochs: int, value: float | None, total: int) -> None:
        self.epochs_seen.append((epoch, epochs, value))
        self.totals.append(total)

    def report(self, step: int, value: float) -> bool:
        assert step not in self.reported
        self.reported[step] = value
        return step == self.stop_at

    def train(self, number: int, curve: Sequence[float], begin: int = 1, epochs: int | None = None) -> None:
        """The epochs from `begin` on; a score that equals the best so far is the best, as in a training."""
        for epoch in range(begin, len(curve) + 1):
            value = curve[epoch - 1]
            best = all(value >= other for other in curve[:epoch] if not math.isnan(other)) and not math.isnan(
                value
            )
            scores = {NAME: value, "train/loss": 1.0 / epoch}
            progress = Progress(epoch, epochs or len(curve), 10 * epoch, scores, best, dict)
            self.axis(fold(number), progress)

    def work(self, number: int, curve: Sequence[float]) -> None:
        self.train(number, curve)
        self.axis.fold_done(fold(number), {NAME: max(curve), "train/loss": 0.1})


def test_an_epoch_is_worth_the_objective_at_the_best_epoch_so_far() -> None:
    watched = Watched()
    watched.work(0, [0.5, 0.7, 0.6, 0.8, 0.1])
    assert watched.reported == {1: 0.5, 2: 0.7, 3: 0.7, 4: 0.8, 5: 0.8}
    assert watched.epochs_seen == [(1, 5, 0.5), (2, 5, 0.7), (3, 5, 0.7), (4, 5, 0.8), (5, 5, 0.8)]


def test_an_objective_that_is_not_monitored_is_taken_at_the_best_epoch_of_what_is() -> None:
    watched = Watched(objectives="train/loss")
    watched.work(0, [0.5, 0.7, 0.6, 0.8])
    assert watched.reported == pytest.approx({1: 1.0, 2: 0.5, 3: 0.5, 4: 0.25})


def test_further_folds_are_steps_behind_the_epochs_with_the_mean_so_far() -> None:
    watched = Watched(folds=3)
    watched.work(0, [0.5, 0.6])
    watched.work(1, [0.7, 0.8])
    watched.work(2, [1.0, 0.9])
    assert watched.reported == pytest.approx({1: 0.5, 2: 0.6, 3: 0.7, 4: 0.8})
    assert [epoch for epoch, _, _ in watched.epochs_seen] == [1, 2, 1, 2, 1, 2]


def test_folds_lie_behind_the_longest_training_where_trials_differ_in_their_epochs() -> None:
    watched = Watched(folds=3, epochs=9)
    watched.work(0, [0.5, 0.7])
    watched.work(1, [0.6, 0.9])
    watched.work(2, [0.8, 0.5])
    assert watched.reported == pytest.approx({1: 0.5, 2: 0.7, 10: 0.8, 11: 0.8})


def test_steps_of_a_repeat_follow_those_of_the_run_before() -> None:
    watched = Watched(folds=2, repeats=2)
    for index, values in enumerate(((0.2, 0.4), (0.6, 0.8))):
        watched.axis.start_run(index)
        for number, value in enumerate(values):
            watched.work(number, [0.0, value])
    assert watched.reported == pytest.approx({1: 0.0, 2: 0.2, 3: 0.3, 4: 0.4, 5: 0.5})


def test_on_the_axis_of_folds_each_is_a_step_with_its_own_score() -> None:
    watched = Watched(folds=2, repeats=2, axis="folds")
    for index, values in enumerate(((0.2, 0.4), (0.6, 0.8))):
        watched.axis.start_run(index)
        for number, value in enumerate(values):
            watched.work(number, [0.0, value])
    assert watched.reported == {0: 0.2, 1: 0.4, 2: 0.6, 3: 0.8}
    assert len(watched.epochs_seen) == 8


def test_several_objectives_are_seen_and_not_reported() -> None:
    watched = Watched(folds=2, objectives=[NAME, "model/parameters"])
    watched.work(0, [0.5, 0.7])
    watched.work(1, [0.5, 0.7])
    assert watched.reported == {}
    assert watched.epochs_seen == [(1, 2, None), (2, 2, None)] * 2
    assert watched.totals == [1, 2, 3, 4]


def test_a_trial_is_stopped_after_an_epoch_with_a_sentence() -> None:
    watched = Watched(stop_at=3)
    with pytest.raises(Pruned, match=r"^stopped after epoch 3 of 5, with valid/accuracy of 0\.7\.$"):
        watched.work(0, [0.5, 0.7, 0.6, 0.8, 0.1])
    assert sorted(watched.reported) == [1, 2, 3]


def test_a_trial_is_stopped_after_a_fold_with_a_sentence() -> None:
    watched = Watched(folds=3, stop_at=3)
    watched.work(0, [0.5, 0.6])
    with pytest.raises(Pruned, match=r"^stopped after fold 2 of 3, with a mean valid/accuracy of 0\.7\.$"):
        watched.work(1, [0.7, 0.8])
    watched = Watched(folds=3, axis="folds", stop_at=1)
    watched.work(0, [0.5, 0.6])
    with pytest.raises(Pruned, match=r"^stopped after fold 2 of 3, with valid/accuracy of 0\.8\.$"):
        watched.work(1, [0.7, 0.8])


@pytest.mark.parametrize(("folds", "kind", "last"), [(1, "epochs", 2), (3, "epochs", 4), (3, "folds", 2)])
def test_nothing_is_stopped_at_the_last_step(folds: int, kind: str, last: int) -> None:
    watched = Watched(folds=folds, axis=kind, stop_at=last)
    for number in range(folds):
        watched.work(number, [0.5, 0.6])
    assert max(watched.reported) == last


def test_the_last_epoch_of_the_first_of_several_folds_may_stop_a_trial() -> None:
    watched = Watched(folds=2, stop_at=2)
    with pytest.raises(Pruned, match=r"^stopped after epoch 2 of 2, with"):
        watched.work(0, [0.5, 0.6])


def test_a_resumed_trial_reports_no_step_twice_and_keeps_its_best_epoch() -> None:
    curve = [0.5, 0.9, 0.6, 0.7, 0.8]
    earlier = {1: 0.5, 2: 0.9, 3: 0.9}
    watched = Watched(reported=earlier)
    watched.train(0, curve, begin=4)
    assert watched.reported == {4: 0.9, 5: 0.9}
    # The checkpoint is older than the last report: epochs 2 and 3 are done again.
    watched = Watched(reported=earlier)
    watched.train(0, curve, begin=2)
    assert watched.reported == {4: 0.9, 5: 0.9}
    assert watched.epochs_seen[0] == (2, 5, 0.9)


def test_what_was_best_before_the_checkpoint_is_not_taken_from_after_it() -> None:
    watched = Watched(reported={1: 0.5, 2: 0.5, 3: 0.9})
    watched.train(0, [0.5, 0.4, 0.3, 0.95], begin=2)
    assert watched.epochs_seen == [(2, 4, 0.5), (3, 4, 0.5), (4, 4, 0.95)]


def test_folds_that_an_earlier_process_scored_count_in_the_mean() -> None:
    watched = Watched(folds=4, reported={1: 0.1, 2: 0.2, 3: 0.3})
    watched.axis.fold_done(fold(0), {NAME: 0.2})
    watched.axis.fold_done(fold(1), {NAME: 0.4})
    watched.work(2, [0.5, 0.6])
    watched.work(3, [0.7, 0.8])
    assert watched.reported == pytest.approx({4: 0.4, 5: 0.5})
    assert watched.epochs_seen[0] == (1, 2, 0.5)


def test_a_run_that_an_earlier_process_finished_counts_in_the_mean() -> None:
    watched = Watched(folds=2, repeats=2, reported={1: 0.1, 2: 0.2, 3: 0.3})
    watched.axis.start_run(0)
    watched.axis.run_was_finished({NAME: {"mean": 0.2, "folds": [0.2, None]}})
    watched.axis.start_run(1)
    watched.work(0, [0.5, 0.6])
    assert watched.reported == pytest.approx({4: 0.4})


def test_an_undefined_score_is_no_step() -> None:
    watched = Watched(folds=3)
    watched.train(0, [math.nan, 0.5])
    watched.axis.fold_done(fold(0), {NAME: 0.5})
    watched.axis.fold_done(fold(1), {NAME: math.nan})
    watched.axis.fold_done(fold(2), {NAME: 0.7})
    assert watched.reported == pytest.approx({2: 0.5, 3: 0.5, 4: 0.6})
    watched = Watched(folds=2, axis="folds")
    watched.axis.fold_done(fold(0), {NAME: math.inf})
    watched.axis.fold_done(fold(1), {})
    assert watched.reported == {}


def advance(watched: Watched, curves: Sequence[Sequence[float]], last: Sequence[int]) -> None:
    """Folds that advance together, epoch by epoch; each ends after its `last` epoch."""
    watched.axis.folds_together(len(curves))
    for epoch in range(1, max(last) + 1):
        for number, curve in enumerate(curves):
            if epoch <= last[number]:
                value = curve[epoch - 1]
                progress = Progress(
                    epoch,
                    len(curve),
                    10 * epoch,
                    {NAME: value},
                    value >= max(curve[:epoch]),
                    dict,
                    last=epoch == last[number],
                )
                watched.axis(fold(number), progress)
    for number, curve in enumerate(curves):
        watched.axis.fold_done(fold(number), {NAME: max(curve[: last[number]])})


TOGETHER = [[0.2, 0.4, 0.1], [0.6, 0.5, 0.8]]


def test_folds_that_advance_together_have_the_mean_of_all_at_each_epoch() -> None:
    watched = Watched(folds=2)
    advance(watched, TOGETHER, last=[3, 3])
    assert watched.reported == pytest.approx({1: 0.4, 2: 0.5, 3: 0.6, 4: 0.6})
    assert watched.totals == [1, 2, 3, 4, 5, 6]


def test_a_fold_that_stopped_early_counts_with_its_best_epoch() -> None:
    watched = Watched(folds=2)
    advance(watched, TOGETHER, last=[1, 3])
    assert watched.reported == pytest.approx({1: 0.4, 2: 0.4, 3: 0.5, 4: 0.5})


def test_folds_that_advance_together_are_stopped_together() -> None:
    watched = Watched(folds=2, stop_at=2)
    with pytest.raises(Pruned, match=r"^stopped after epoch 2 of 3, with a mean valid/accuracy of 0\.5\.$"):
        advance(watched, TOGETHER, last=[3, 3])
    assert sorted(watched.reported) == [1, 2]


def test_a_resumed_fold_counts_with_its_best_epoch_before() -> None:
    watched = Watched(folds=2, reported={1: 0.4})
    watched.axis.fold_resumed(fold(0), {NAME: 0.5})
    watched.axis.fold_resumed(fold(1), {NAME: 0.7})
    watched.axis.folds_together(2)
    for number in (0, 1):
        watched.axis(fold(number), Progress(2, 3, 20, {NAME: 0.1}, False, dict))
    assert watched.reported == pytest.approx({2: 0.6})


def test_runs_that_advance_together_have_the_mean_of_all_folds_at_each_epoch() -> None:
    watched = Watched(folds=2, repeats=2)
    runs = watched.axis.runs_together()
    for run in runs:
        run.folds_together(2)
    curves = {(0, 0): [0.2, 0.4], (0, 1): [0.6, 0.5], (1, 0): [0.4, 0.8], (1, 1): [0.8, 0.7]}
    for epoch in (1, 2):
        for (index, number), curve in curves.items():
            best = curve[epoch - 1] >= max(curve[:epoch])
            progress = Progress(epoch, 2, 10 * epoch, {NAME: curve[epoch - 1]}, best, dict, last=epoch == 2)
            runs[index](fold(number), progress)
    for index in (1, 0):  # the second run ends first
        for number in (0, 1):
            runs[index].fold_done(fold(number), {NAME: max(curves[index, number])})
    assert watched.reported == pytest.approx({1: 0.5, 2: 0.65, 5: 0.65})
    assert watched.totals == list(range(1, 9))


def test_a_finished_run_counts_while_the_others_advance_together() -> None:
    watched = Watched(repeats=3, reported={1: 0.1})
    runs = watched.axis.runs_together()
    runs[1].run_was_finished({NAME: {"mean": 0.9, "folds": [0.9]}})
    for epoch in (2, 3):
        for index, value in ((0, 0.3), (2, 0.6)):
            runs[index](fold(0), Progress(epoch, 3, 10 * epoch, {NAME: value}, True, dict, last=epoch == 3))
    for index in (0, 2):
        runs[index].fold_done(fold(0), {NAME: 0.6})
    assert watched.reported == pytest.approx({2: 0.6, 3: 0.6, 5: 0.7})


def test_a_score_of_the_other_direction_is_reported_with_the_other_sign() -> None:
    reported: dict[int, float] = {}

    def report(step: int, value: float) -> bool:
        reported[step] = value
        return step == 2

    axis = PruningSteps(
        read_objectives(NAME, NAME),
        axis="epochs",
        units=(1, 1),
        report=report,
        on_epoch=lambda *seen: None,
        compared=Objective("valid/log_loss", "minimize"),
    )
    axis(fold(0), Progress(1, 9, 1, {NAME: 0.6, "valid/log_loss": 0.7}, True, dict))
    with pytest.raises(Pruned) as pruned:
        axis(fold(0), Progress(2, 9, 2, {NAME: 0.6, "valid/log_loss": 0.4}, True, dict))
    assert reported == {1: -0.7, 2: -0.4}
    assert "valid/log_loss of 0.4" in str(pruned.value)
