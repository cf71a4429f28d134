"""Trials that are frozen at a rung, and which of them go on."""

from __future__ import annotations

import math
import time
from pathlib import Path

import optuna
import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from harness.sweep.study.optuna_internals import seen_by_samplers
from harness.sweep.study.read_snapshot import snapshot
from harness.sweep.study.snapshot import Objective
from harness.sweep.study.study_lock import study_lock
from harness.sweep.study.study_storage import load_or_create, open_storage
from harness.sweep.study.successive_halving import (
    FROZEN,
    SuccessiveHalving,
    is_frozen,
    rungs_of,
    stopped_step,
)
from harness.sweep.study.trial_claim import EXEMPT, Budget, Claim
from harness.sweep.study.trial_queue import TrialQueue

MANY = Budget(trials=100)


@pytest.fixture
def queue(tmp_path: Path) -> TrialQueue:
    study = load_or_create(open_storage(None, tmp_path), "s-0", (Objective("valid/accuracy", "maximize"),))
    study.sampler = optuna.samplers.RandomSampler(seed=0)
    halving = SuccessiveHalving(min_resource=1, reduction_factor=3)
    study.pruner = halving
    return TrialQueue(study, study_lock(None, tmp_path, "s-0"), "here-0", 60, "a-0", halving=halving)


def claimed(queue: TrialQueue, budget: Budget = MANY) -> Claim:
    claim = queue.claim(budget)
    assert claim is not None
    return claim


def work(queue: TrialQueue, claim: Claim, value: float, last: int = 9) -> int:
    """Trains a trial with the same score in each epoch until it is frozen or complete; its last epoch."""
    trial = queue.study.trials[claim.number]
    for epoch in range((trial.last_step or 0) + 1, last + 1):
        if queue.report(claim, epoch, value) and epoch < last:
            queue.freeze(claim, {"pruned": f"stopped after epoch {epoch}"})
            return epoch
    queue.complete(claim, [value], {})
    return last


def test_a_free_worker_takes_up_the_best_frozen_trial_that_earned_the_next_rung(queue: TrialQueue) -> None:
    assert [work(queue, claimed(queue), value) for value in (0.5, 0.9, 0.4)] == [1, 1, 1]
    # Of three one goes on; a new trial waits until then.
    claim = claimed(queue)
    assert (claim.number, claim.resumed) == (1, True)
    assert stopped_step(queue.study.trials[1]) is None
    assert work(queue, claim, 0.9) == 3
    assert [work(queue, claimed(queue), value) for value in (0.8, 0.7)] == [1, 1]
    assert claimed(queue).number == 5  # nobody has earned anything: a new one
    assert queue.study.trials[5].state is TrialState.RUNNING
    assert work(queue, Claim(queue.study.trials[5]._trial_id, 5, False), 0.1) == 1
    assert work(queue, claimed(queue), 0.8) == 3  # trial 3: the second of six
    assert [rungs_of(trial) for trial in queue.study.trials] == [1, 2, 1, 2, 1, 1]


def test_the_highest_rung_comes_first_and_the_budget_counts_a_trial_once(queue: TrialQueue) -> None:
    budget = Budget(trials=9)
    values = dict(enumerate((0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)))
    order = []
    while (claim := queue.claim(budget)) is not None:
        order.append((claim.number, work(queue, claim, values[claim.number])))
    # Each new best is among the best third of both rungs at once, when there are three.
    assert order[:3] == [(0, 1), (1, 1), (2, 3)]
    trials = queue.study.trials
    assert len(trials) == 9
    assert [trial.number for trial in trials if trial.state is TrialState.COMPLETE] == [4, 5, 6, 7, 8]
    assert all(is_frozen(trial) for trial in trials[:4])
    assert [trial.number for trial in trials if rungs_of(trial) >= 2] == [2, 3, 4, 5, 6, 7, 8]
    assert queue.claimable(budget) == 0


def test_where_none_would_be_complete_the_nearest_trial_goes_on(queue: TrialQueue) -> None:
    budget = Budget(trials=2)
    first, second = claimed(queue, budget), claimed(queue, budget)
    assert work(queue, first, 0.5) == 1
    assert queue.claim(budget) is None  # the other one runs
    assert queue.claimable(budget) == 0
    assert work(queue, second, 0.6) == 1
    assert queue.claimable(budget) == 1
    assert work(queue, claimed(queue, budget), 0.6) == 3
    assert work(queue, claimed(queue, budget), 0.6) == 9
    assert queue.claim(budget) is None
    late = Budget(trials=9, until=time.time() - 1)
    assert queue.claimable(late) == 0


def test_after_its_time_a_sweep_promotes_only_for_a_result(queue: TrialQueue) -> None:
    for value in (0.5, 0.9, 0.4):
        work(queue, claimed(queue), value)
    late = Budget(until=time.time() - 1)
    claim = claimed(queue, late)
    assert claim.number == 1
    work(queue, claim, 0.9)
    assert work(queue, claimed(queue, late), 0.9) == 9
    assert queue.claim(late) is None


def test_no_pruner_stops_the_default_and_it_does_not_count_as_the_result(queue: TrialQueue) -> None:
    budget = Budget(trials=3)
    queue.study.enqueue_trial({"rate": 0.5}, user_attrs={EXEMPT: True})
    claim = claimed(queue, budget)
    assert work(queue, claim, 0.3) == 9
    assert stopped_step(queue.study.trials[0]) is None
    assert [work(queue, claimed(queue, budget), value) for value in (0.2, 0.1)] == [1, 1]
    assert rungs_of(queue.study.trials[0]) == 3  # the others are compared with it
    # The default alone would be no result of a search.
    assert claimed(queue, budget).number == 1


def test_pruners_of_optuna_leave_the_default_alone_too(queue: TrialQueue) -> None:
    queue.halving, queue.study.pruner = None, optuna.pruners.ThresholdPruner(lower=0.5)
    queue.study.enqueue_trial({"rate": 0.5}, user_attrs={EXEMPT: True})
    assert not queue.report(claimed(queue), 1, 0.4)
    assert queue.report(claimed(queue), 1, 0.4)


def test_a_thawed_trial_whose_worker_stops_is_the_next_and_still_promoted(queue: TrialQueue) -> None:
    for value in (0.5, 0.9, 0.4):
        work(queue, claimed(queue), value)
    queue.release(claimed(queue))
    assert not is_frozen(queue.study.trials[1])
    again = claimed(queue)
    assert (again.number, again.resumed) == (1, True)
    assert stopped_step(queue.study.trials[1]) is None


def test_a_trial_whose_worker_died_before_it_was_frozen_stops_again(queue: TrialQueue) -> None:
    claim = claimed(queue)
    assert queue.report(claim, 1, 0.5)
    queue.release(claim)
    again = claimed(queue)
    assert again.number == 0
    assert stopped_step(queue.study.trials[0]) == 1


def test_samplers_see_a_frozen_trial_as_pruned_and_all_else_as_frozen(queue: TrialQueue) -> None:
    work(queue, claimed(queue), 0.5)
    seen = seen_by_samplers(queue.study, is_frozen)
    assert [trial.state for trial in seen.get_trials()] == [TrialState.PRUNED]
    assert [trial.state for trial in queue.study.get_trials()] == [TrialState.WAITING]
    assert seen.get_trials(states=(TrialState.WAITING,)) == []
    (row,) = snapshot(queue.study, 10).rows
    assert (row.state, row.ended is not None) == ("frozen", True)
    claim = claimed(queue)
    optuna.trial.Trial(seen, claim.trial_id).suggest_float("rate", 0, 1)
    assert queue.study.trials[1].params.keys() == {"rate"}


def test_at_the_end_frozen_trials_are_pruned_for_everybody(queue: TrialQueue) -> None:
    for value in (0.5, math.nan, 0.4):
        work(queue, claimed(queue), value)
    ended = [row.ended for row in snapshot(queue.study).rows]
    queue.retire_frozen()
    assert [row.ended for row in snapshot(queue.study).rows] == ended  # and not when the sweep did
    assert [trial.state for trial in queue.study.trials] == [TrialState.PRUNED] * 3
    assert [trial.value for trial in queue.study.trials] == [0.5, None, 0.4]
    assert all(row.state != "frozen" for row in snapshot(queue.study).rows)
    assert queue.study.trials[0].system_attrs[FROZEN]


def test_a_checkpoint_stays_only_where_the_trial_can_still_be_promoted(queue: TrialQueue) -> None:
    for claim, value in [(claimed(queue), value) for value in (0.5, 0.9, 0.4, 0.3)]:
        work(queue, claim, value)
    # Of six two go on: two are ahead of these already.
    assert queue.hopeless(Budget(trials=6)) == ["2", "3"]
    assert queue.hopeless(Budget(trials=9)) == ["3"]
    assert queue.hopeless(Budget()) == []


def test_a_look_at_thousands_of_frozen_trials_sorts_each_rung_once(queue: TrialQueue) -> None:
    values = [place / 2000 for place in range(2000)]
    trials = [
        create_trial(
            state=TrialState.WAITING,
            params={},
            distributions={},
            system_attrs={FROZEN: {"at": 0.0}, "completed_rung_0": value},
        )
        for value in values
    ]
    for number, trial in enumerate(trials):
        trial.number = number
    halving = SuccessiveHalving(1, 2)
    before = time.process_time()
    best = halving.promoted(trials, StudyDirection.MAXIMIZE)
    hopeless = halving.hopeless(trials, StudyDirection.MAXIMIZE, 3000)
    assert time.process_time() - before < 1  # a sort for each of them takes over 10 s
    assert [trial.number for trial in best] == list(range(1999, 999, -1))
    assert [trial.number for trial in hopeless] == list(range(499, -1, -1))
