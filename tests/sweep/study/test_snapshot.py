from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from optuna.trial import TrialState

from harness.sweep.study.read_snapshot import KnownRows, snapshot
from harness.sweep.study.snapshot import Objective, Row, Snapshot, brief, score, shortened
from harness.sweep.study.study_storage import load_or_create, open_storage

BEGUN = datetime(2026, 1, 2)
OBJECTIVES = (Objective("valid/accuracy", "maximize"), Objective("model/parameters", "minimize"))


def complete(number: int, *values: float, **more) -> Row:
    return Row(number, "complete", values=values, **more)


def test_the_best_is_the_first_of_equals_in_the_direction_of_the_objective() -> None:
    rows = (complete(0, 0.5), complete(1, 0.9), complete(2, 0.9), Row(3, "pruned"))
    assert [row.number for row in Snapshot(OBJECTIVES[:1], rows).best] == [1]
    assert [row.number for row in Snapshot(OBJECTIVES[1:], rows).best] == [0]


def test_a_trial_that_breaks_a_constraint_is_never_the_best() -> None:
    rows = (complete(0, 0.5), complete(1, 0.9, feasible=False))
    assert [row.number for row in Snapshot(OBJECTIVES[:1], rows).best] == [0]
    assert Snapshot(OBJECTIVES[:1], rows[1:]).best == []


def test_the_front_holds_whatever_no_other_trial_dominates_and_all_of_equals() -> None:
    values = [(0.9, 5.0), (0.8, 5.0), (0.9, 5.0), (0.7, 1.0), (0.95, 9.0), (0.95, 10.0)]
    rows = tuple(complete(number, *pair) for number, pair in enumerate(values))
    assert [row.number for row in Snapshot(OBJECTIVES, rows).best] == [0, 2, 3, 4]


def test_the_history_is_in_the_order_in_which_trials_ended() -> None:
    ended = [BEGUN + timedelta(seconds=second) for second in (3, 1, 2)]
    rows = [complete(number, 0.5, ended=time) for number, time in enumerate(ended)]
    history = Snapshot(OBJECTIVES[:1], (*rows, Row(3, "running"))).history
    assert [row.number for row in history] == [1, 2, 0]


def test_what_waits_is_what_the_budget_leaves_or_what_is_queued() -> None:
    rows = (complete(0, 0.5), Row(1, "running"), Row(2, "waiting"))
    assert Snapshot(OBJECTIVES[:1], rows, 10).waiting == 8
    assert Snapshot(OBJECTIVES[:1], rows).waiting == 1


def test_keys_are_shortened_to_what_distinguishes_them() -> None:
    keys = ["model", "trainer.optimizer.lr", "trainer/optimizer", "head.lr", "lr", "a.norm", "b.norm"]
    assert shortened(keys) == {
        "model": "model",
        "trainer.optimizer.lr": "optimizer.lr",
        "trainer/optimizer": "optimizer",
        "head.lr": "head.lr",
        "lr": "lr",
        "a.norm": "a.norm",
        "b.norm": "b.norm",
    }


def test_values_are_shown_as_in_yaml() -> None:
    values = [True, None, 0.0031415926, 1e-5, 12345, "mlp", "http://me:hunter22@host"]
    assert [brief(value) for value in values] == [
        "true",
        "null",
        "0.003142",
        "1e-05",
        "12345",
        "mlp",
        "http://me:***@host",
    ]


def test_a_count_has_no_decimals() -> None:
    assert [score(value) for value in (19248.0, 0.98, 1.0, 250.5)] == ["19,248", "0.9800", "1.0000", "250.50"]


def test_the_row_of_a_trial_that_ended_is_made_once_and_all_others_are_up_to_date(tmp_path: Path) -> None:
    study = load_or_create(open_storage(None, tmp_path), "s-0", OBJECTIVES[:1])
    trials = [study.ask() for _ in range(3)]
    study.tell(trials[0], 0.5)
    known = KnownRows()
    before = snapshot(study, known=known)
    trials[1].report(0.25, 1)
    study.tell(trials[2], state=TrialState.FAIL)
    after = snapshot(study, known=known)
    assert after == snapshot(study)
    assert [row.state for row in before.rows] == ["complete", "running", "running"]
    assert [row.state for row in after.rows] == ["complete", "running", "failed"]
    assert after.rows[1].reports == ((1, 0.25),)
    assert [one is other for one, other in zip(before.rows, after.rows, strict=True)] == [True, False, False]
    assert snapshot(study, known=known).rows[2] is after.rows[2]
