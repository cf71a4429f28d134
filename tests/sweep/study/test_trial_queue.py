"""Who runs which trial: claims, leases and results, under a lock."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from harness.sweep.study.journal_storage import trials_now
from harness.sweep.study.noise_stop import SCORE_ERROR
from harness.sweep.study.optuna_internals import storage_of, study_id
from harness.sweep.study.read_snapshot import OWNER, snapshot
from harness.sweep.study.snapshot import Objective
from harness.sweep.study.study_lock import study_lock
from harness.sweep.study.study_storage import load_or_create, open_storage
from harness.sweep.study.sweep_cost import COST, Account, Cost, Tariff, read_budget
from harness.sweep.study.trial_claim import Budget, Claim, LostOwnership
from harness.sweep.study.trial_queue import DEATHS, TrialQueue

ACCURACY = (Objective("valid/accuracy", "maximize"),)
TEN = Budget(trials=10)


def study_in(folder: Path) -> optuna.Study:
    study = load_or_create(open_storage(None, folder), "s-0", ACCURACY)
    study.sampler = optuna.samplers.RandomSampler(seed=0)
    return study


@pytest.fixture
def queue(tmp_path: Path) -> TrialQueue:
    return TrialQueue(study_in(tmp_path), study_lock(None, tmp_path, "s-0"), "here-0", 60, "a-0")


@pytest.fixture
def another(tmp_path: Path) -> Callable[..., TrialQueue]:
    """A queue as another process would have it."""

    def make(name: str = "here-1", lease: float = 60) -> TrialQueue:
        study = load_or_create(open_storage(None, tmp_path), "s-0", ACCURACY)
        study.sampler = optuna.samplers.RandomSampler(seed=1)
        return TrialQueue(study, study_lock(None, tmp_path, "s-0"), name, lease, name)

    return make


def claimed(queue: TrialQueue, budget: Budget = TEN) -> Claim:
    claim = queue.claim(budget)
    assert claim is not None
    return claim


def state_of(queue: TrialQueue, number: int) -> TrialState:
    return queue.study.get_trials()[number].state


def give_to(queue: TrialQueue, claim: Claim, **who: Any) -> None:
    """As if another process had claimed it."""
    storage = queue.study._storage
    owner = storage.get_trial(claim.trial_id).system_attrs[OWNER]
    storage.set_trial_system_attr(claim.trial_id, OWNER, {**owner, "token": "other", **who})


def test_a_budget_of_three_gives_the_trials_0_1_2_and_then_none(queue: TrialQueue) -> None:
    budget = Budget(trials=3)
    assert [claimed(queue, budget).number for _ in range(3)] == [0, 1, 2]
    assert queue.claim(budget) is None
    assert queue.claimable(budget) == 0
    assert queue.claimable(Budget(trials=5)) == 2


def test_points_of_the_queue_come_first_and_no_more_of_them_than_the_budget(queue: TrialQueue) -> None:
    for width in (16, 32, 64):
        queue.study.enqueue_trial({"width": width})
    budget = Budget(trials=2)
    claims = [claimed(queue, budget), claimed(queue, budget)]
    points = [queue.study.trials[claim.number].system_attrs["fixed_params"] for claim in claims]
    assert points == [{"width": 16}, {"width": 32}]
    assert queue.claim(budget) is None


def test_a_released_trial_is_the_next_and_keeps_its_number(queue: TrialQueue) -> None:
    first, second = claimed(queue), claimed(queue)
    queue.report(first, 1, 0.5)
    queue.release(first)
    assert state_of(queue, 0) is TrialState.WAITING
    again = claimed(queue)
    assert (again.number, again.resumed) == (0, True)
    assert (second.number, second.resumed) == (1, False)
    assert queue.study.trials[0].intermediate_values == {1: 0.5}


def test_a_released_trial_is_continued_even_when_the_budget_is_spent(queue: TrialQueue) -> None:
    claim = claimed(queue, Budget(trials=1))
    queue.release(claim)
    assert claimed(queue, Budget(trials=1)).number == 0
    assert claimed(queue, Budget(trials=2, until=time.time() + 60)).number == 1
    assert queue.claim(Budget(trials=9, until=time.time() - 1)) is None


def test_only_the_owner_can_report_and_tell(queue: TrialQueue, another: Callable[..., TrialQueue]) -> None:
    claim = claimed(queue)
    thief = another()
    reports: list[Callable[[], object]] = [
        lambda: thief.report(claim, 1, 0.9),
        lambda: thief.complete(claim, [0.9], {}),
        lambda: thief.prune(claim, {}),
        lambda: thief.fail(claim, "no", retries=0),
        lambda: thief.release(claim),
        lambda: thief.set_attributes(claim, {"folder": "x"}),
    ]
    for tell in reports:
        with pytest.raises(LostOwnership, match="trial 0 was given to another worker"):
            tell()
    queue.complete(claim, [0.7], {"seconds": 1.0})
    assert queue.study.trials[0].values == [0.7]
    with pytest.raises(LostOwnership):
        queue.complete(claim, [0.8], {})


def test_a_slow_worker_that_was_thought_dead_cannot_overwrite_its_successor(
    queue: TrialQueue, another: Callable[..., TrialQueue], monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = claimed(queue)
    give_to(queue, claim, host="elsewhere", token=queue._token)
    watcher = another(lease=30)
    now = time.monotonic()
    assert watcher.requeue_dead() == []  # the first look only notes what the last sign of life was
    monkeypatch.setattr(time, "monotonic", lambda: now + 29)
    assert watcher.requeue_dead() == []
    monkeypatch.setattr(time, "monotonic", lambda: now + 31)
    assert watcher.requeue_dead() == [0]
    successor = claimed(watcher)
    assert (successor.number, successor.resumed) == (0, True)
    with pytest.raises(LostOwnership):
        queue.complete(claim, [0.1], {})
    watcher.complete(successor, [0.9], {})
    assert watcher.study.trials[0].values == [0.9]


def test_a_worker_of_another_machine_that_beats_is_not_dead(
    queue: TrialQueue, another: Callable[..., TrialQueue], monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = claimed(queue)
    give_to(queue, claim, host="elsewhere", token=queue._token)
    watcher = another(lease=30)
    now = time.monotonic()
    for passed in (0, 25, 50, 75):
        monkeypatch.setattr(time, "monotonic", lambda later=now + passed: later)
        queue.send_heartbeat("working")
        assert watcher.requeue_dead() == []


@pytest.mark.slow
def test_a_dead_process_of_this_machine_is_known_at_once(queue: TrialQueue) -> None:
    claim = claimed(queue)
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    give_to(queue, claim, host=socket.gethostname(), pid=child, born=1)
    assert queue.requeue_dead() == [0]
    assert state_of(queue, 0) is TrialState.WAITING


@pytest.mark.parametrize("before", [False, True])
def test_a_worker_that_died_within_its_claim_leaves_no_trial_running(queue: TrialQueue, before: bool) -> None:
    """Between the two writes of a claim; `before`: of a trial that somebody had released."""
    if before:
        queue.release(claimed(queue))
        trial = queue.study.trials[0]
        queue.study._storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
    else:
        queue.study._storage.create_new_trial(queue.study._study_id)
    assert state_of(queue, 0) is TrialState.RUNNING
    assert queue.requeue_dead() == [0]
    assert claimed(queue).number == 0


def test_a_trial_that_kills_one_worker_after_the_other_is_failed(queue: TrialQueue) -> None:
    for death in range(1, 6):
        claim = claimed(queue)
        assert claim.number == 0
        give_to(queue, claim, pid=2**22 + 1, born=1)
        assert queue.requeue_dead() == ([0] if death < 5 else [])
    row = snapshot(queue.study).rows[0]
    assert row.state == "failed"
    assert row.error == (
        "its worker ended without a message 5 times in a row, without a new epoch in between "
        "(sweep.failures); too little memory?"
    )


def test_an_epoch_between_two_deaths_starts_the_count_anew(queue: TrialQueue) -> None:
    claim = claimed(queue)
    give_to(queue, claim, pid=2**22 + 1, born=1)
    queue.requeue_dead()
    claim = claimed(queue)
    assert queue.study.trials[0].system_attrs[DEATHS] == 1
    queue.report(claim, 1, 0.5)
    assert queue.study.trials[0].system_attrs[DEATHS] == 0


@pytest.mark.parametrize(("epoch", "deaths"), [(1, 2), (2, 2), (3, 0)])
def test_of_several_objectives_only_a_new_epoch_is_progress(
    queue: TrialQueue, epoch: int, deaths: int
) -> None:
    for _ in range(2):
        claim = claimed(queue)
        queue.note_progress(claim, 2)
        give_to(queue, claim, pid=2**22 + 1, born=1)
        queue.requeue_dead()
    queue.note_progress(claimed(queue), epoch)
    assert queue.study.trials[0].system_attrs[DEATHS] == deaths


def test_a_failed_trial_waits_for_as_many_tries_as_it_is_given(queue: TrialQueue) -> None:
    assert queue.fail(claimed(queue), "first", retries=1) is False
    again = claimed(queue)
    assert (again.number, again.resumed) == (0, True)
    assert queue.fail(again, "second", retries=1) is True
    row = snapshot(queue.study).rows[0]
    assert (row.state, row.error) == ("failed", "second")
    assert claimed(queue).number == 1


def test_a_stopped_study_gives_no_trial_until_it_is_started_again(queue: TrialQueue) -> None:
    queue.stop("trial 3 failed")
    assert queue.claim(TEN) is None
    assert queue.claimable(TEN) == 0
    assert queue.stop_reason() == "trial 3 failed"
    queue.stop(None)
    assert claimed(queue).number == 0


def test_a_stop_of_one_launch_does_not_stop_another(queue: TrialQueue) -> None:
    queue.stop("Ctrl-C", "a")
    assert (queue.stop_reason("a"), queue.stop_reason("b"), queue.stop_reason()) == ("Ctrl-C", None, None)


def test_no_trial_is_begun_after_the_budget_but_one_that_was_interrupted_goes_on(
    queue: TrialQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    tariff = Tariff(hour=3600.0, apart=True)  # one EUR for a second of a worker
    spending = Budget(trials=10, account=Account(read_budget("9 EUR", tariff), tariff, "own", time.time()))
    first, second = claimed(queue, spending), claimed(queue, spending)
    queue.set_attributes(first, {COST: Cost(8.9).as_dict()})
    assert queue.claimable(spending) == 8
    queue.set_attributes(second, {COST: Cost(0.1).as_dict()})
    assert (queue.claimable(spending), queue.claim(spending)) == (0, None)
    queue.release(second)
    assert queue.claimable(spending) == 1
    again = claimed(queue, spending)
    assert (again.number, again.resumed) == (second.number, True)
    assert snapshot(queue.study).rows[first.number].cost == Cost(8.9)


def test_stagnation_counts_the_trials_since_the_best(queue: TrialQueue) -> None:
    budget = Budget(stagnation=2)
    for value in (0.5, 0.9, 0.7):
        queue.complete(claimed(queue, budget), [value], {})
    queue.complete(claimed(queue, budget), [0.6], {})
    assert queue.claim(budget) is None
    assert queue.claim(Budget(stagnation=3)) is not None


def test_no_trial_is_begun_once_those_that_are_left_bring_less_than_the_error(queue: TrialQueue) -> None:
    budget = Budget(trials=20, noise=True)
    for number in range(10):
        queue.complete(claimed(queue, budget), [0.9 + 0.001 * number], {SCORE_ERROR: 0.01})
    assert (queue.claimable(budget), queue.claim(budget)) == (0, None)
    assert queue.claimable(Budget(trials=20)) == 10
    queue.complete(
        claimed(queue, Budget(trials=20)), [0.99], {SCORE_ERROR: 0.01}
    )  # a leap: there may be more
    assert queue.claimable(budget) == 9


def test_a_violated_constraint_keeps_a_trial_from_being_the_best(queue: TrialQueue) -> None:
    queue.complete(claimed(queue), [0.9], {}, {"model/parameters <= 100": 20.0})
    queue.complete(claimed(queue), [0.8], {}, {"model/parameters <= 100": -5.0})
    now = snapshot(queue.study)
    assert [row.feasible for row in now.rows] == [False, True]
    assert [row.number for row in now.best] == [1]


def test_a_trial_is_revoked_from_outside_and_its_owner_named(queue: TrialQueue) -> None:
    claim = claimed(queue)
    owner = queue.revoke(0, "it hung.")
    assert owner is not None
    assert owner["pid"] == os.getpid()
    assert snapshot(queue.study).rows[0].error == "it hung."
    with pytest.raises(LostOwnership):
        queue.report(claim, 1, 0.1)
    assert queue.revoke(0, "again") is None


def _take_all(folder: Path, seconds: float) -> None:
    queue = TrialQueue(study_in(folder), study_lock(None, folder, "s-0"), "child", 60, str(os.getpid()))
    while claim := queue.claim(Budget(trials=20)):
        time.sleep(seconds)
        queue.complete(claim, [claim.number], {"pid": os.getpid()})


@pytest.mark.slow
def test_three_processes_two_of_them_killed_do_twenty_trials_once_each(tmp_path: Path) -> None:
    study = study_in(tmp_path)
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_take_all, args=(tmp_path, 0.02)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers[:2]:
        while not any(t.user_attrs.get("pid") == worker.pid for t in study.get_trials(deepcopy=False)):
            time.sleep(0.01)
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
    workers[2].join()
    _take_all(tmp_path, 0)
    trials = study.get_trials()
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 20
    assert [trial.values for trial in trials] == [[float(number)] for number in range(20)]


def test_a_claim_whose_answer_was_lost_is_given_again(
    queue: TrialQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = queue.study._storage.set_trial_system_attr

    def lost_answer(*given: Any) -> None:
        store(*given)
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(queue.study._storage, "set_trial_system_attr", lost_answer)
        with pytest.raises(ConnectionError):
            queue.claim(TEN)
    assert [claimed(queue).number for _ in range(2)] == [0, 1]


def test_a_claim_looks_only_at_trials_that_had_not_ended(
    queue: TrialQueue, another: Callable[..., TrialQueue], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        queue.complete(claimed(queue), [0.5], {})
    theirs = another()
    held = claimed(theirs)
    now = trials_now(storage_of(queue.study), study_id(queue.study))
    assert ([trial.number for trial in now.unfinished], now.count) == ([4], 5)
    monkeypatch.setattr(
        storage_of(queue.study), "get_all_trials", lambda *_, **__: pytest.fail("all trials were read")
    )
    assert claimed(queue).number == 5
    theirs.complete(held, [0.5], {})
    assert queue.requeue_dead() == []
    assert [claimed(queue).number for _ in range(4)] == [6, 7, 8, 9]
    assert queue.claim(TEN) is None


@pytest.mark.parametrize("url", ["", "sqlite"])
def test_every_storage_tells_which_trials_have_not_ended(url: str, tmp_path: Path) -> None:
    storage = open_storage(f"sqlite:///{tmp_path}/study.db" if url else None, tmp_path)
    study = load_or_create(storage, "s-0", ACCURACY)
    key = study_id(study)
    ids = [storage.create_new_trial(key) for _ in range(4)]
    looks = []
    for place, state in ((1, TrialState.FAIL), (0, TrialState.WAITING), (3, TrialState.PRUNED)):
        storage.set_trial_state_values(ids[place], state)
        now = trials_now(storage, key)
        looks.append([trial.number for trial in now.unfinished])
        assert now.count == 4
        assert [trial.number for trial in now.read()] == [0, 1, 2, 3]
    assert looks == [[0, 2, 3], [0, 2, 3], [0, 2]]
    storage.create_new_trial(key)
    assert [trial.number for trial in trials_now(storage, key).unfinished] == [0, 2, 4]
