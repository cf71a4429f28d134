"""Values of trials that are trained as one reach the study together, and before their checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from harness.core.fold import Fold
from harness.core.progress import Progress
from harness.stages.fold_events import report_progress
from harness.sweep.study.database_retry import Patience
from harness.sweep.study.journal_storage import JournalFile
from harness.sweep.study.snapshot import Objective
from harness.sweep.study.study_lock import study_lock
from harness.sweep.study.study_storage import load_or_create, open_storage
from harness.sweep.study.trial_claim import Budget, Claim, LostOwnership
from harness.sweep.study.trial_queue import TrialQueue
from harness.sweep.worker.epoch_reports import EpochReports
from tests.sweep.study.test_trial_queue import give_to


@pytest.fixture
def queue(tmp_path: Path) -> TrialQueue:
    objectives = [Objective("valid/accuracy", "maximize")]
    study = load_or_create(open_storage(None, tmp_path), "s-0", objectives)
    study.sampler, study.pruner = optuna.samplers.RandomSampler(seed=0), optuna.pruners.NopPruner()
    return TrialQueue(study, study_lock(None, tmp_path, "s-0"), "here-0", 60, "a-0")


@pytest.fixture
def claims(queue: TrialQueue) -> list[Claim]:
    return [claim for _ in range(3) if (claim := queue.claim(Budget(trials=3))) is not None]


@pytest.fixture
def appends(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many logs each append to the journal has."""
    sizes: list[int] = []
    append = JournalFile._append

    def counted(self: JournalFile, logs: list[dict[str, Any]]) -> None:
        sizes.append(len(logs))
        append(self, logs)

    monkeypatch.setattr(JournalFile, "_append", counted)
    return sizes


def stored(queue: TrialQueue) -> list[dict[int, float]]:
    return [trial.intermediate_values for trial in queue.study.get_trials()]


def test_the_values_of_an_epoch_are_one_append(
    queue: TrialQueue, claims: list[Claim], appends: list[int]
) -> None:
    reports = EpochReports(queue, Patience(1.0))
    for step in (1, 2):
        for claim in claims:
            assert reports.report(claim, step, step + claim.number / 10, waits=True) is False
        assert [len(values) for values in stored(queue)] == [step - 1] * 3
        reports.settle()
    reports.settle()
    assert stored(queue) == [{1: 1 + number / 10, 2: 2 + number / 10} for number in range(3)]
    assert appends == [3, 3]


def test_one_that_does_not_wait_is_stored_with_those_of_its_trial_that_wait(
    queue: TrialQueue, claims: list[Claim]
) -> None:
    reports = EpochReports(queue, Patience(1.0))
    for claim in claims[:2]:
        reports.report(claim, 1, 0.5, waits=True)
    reports.report(claims[0], 2, 0.75, waits=False)
    assert stored(queue) == [{1: 0.5, 2: 0.75}, {}, {}]
    reports.settle()
    assert stored(queue) == [{1: 0.5, 2: 0.75}, {1: 0.5}, {}]


def test_a_lost_trial_is_refused_at_its_next_value_and_the_others_are_stored(
    queue: TrialQueue, claims: list[Claim]
) -> None:
    reports = EpochReports(queue, Patience(1.0))
    give_to(queue, claims[1])
    for claim in claims:
        reports.report(claim, 1, 0.5, waits=True)
    reports.settle()
    assert stored(queue) == [{1: 0.5}, {}, {1: 0.5}]
    with pytest.raises(LostOwnership, match="trial 1 was given"):
        reports.report(claims[1], 2, 0.6, waits=True)
    reports.forget(claims[1])
    reports.settle()
    assert stored(queue) == [{1: 0.5}, {}, {1: 0.5}]


def test_values_that_could_not_be_sent_are_sent_later(
    queue: TrialQueue, claims: list[Claim], monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = EpochReports(queue, Patience(1.0))

    def away(told: object) -> list[Claim]:
        raise ConnectionError("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(Patience, "_require_outage", lambda self, error: None)
        patch.setattr(queue, "report_all", away)
        reports.report(claims[0], 1, 0.5, waits=True)
        reports.settle()
    assert stored(queue)[0] == {}
    reports.send_own(claims[0])
    assert stored(queue)[0] == {1: 0.5}


class Record:
    """Notes what is called, in order; writes a checkpoint of each epoch of an even number."""

    fold: Any = None

    def __init__(self) -> None:
        self.called: list[str] = []

    def note(self, name: str) -> Callable[..., None]:
        return lambda *_: self.called.append(name)

    def epoch(self, progress: Progress) -> None:
        self.called.append("line")

    def checkpoint(self, progress: Progress, stopping: bool, allowed: bool | None) -> None:
        if progress.epoch % 2 == 0:
            progress.state()
            self.called.append("checkpoint")


def test_what_waits_is_sent_before_a_checkpoint_is_written_and_only_then() -> None:
    record = Record()
    consumer: Callable[[Fold, Progress], None] = record.note("value")
    for epoch in (1, 2):
        progress = Progress(epoch, 2, epoch, {"valid/accuracy": 0.5}, True, dict)
        never: Any = lambda: False  # noqa: E731
        report_progress(record, progress, never, [consumer], settle=record.note("sent"))  # type: ignore[arg-type]
    assert record.called == ["line", "value", "line", "value", "sent", "checkpoint"]
