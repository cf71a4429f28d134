"""The weights of the best trials are kept, as many as `sweep.keep` says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.sweep.study.snapshot import Objective, Row, Snapshot
from harness.sweep.worker.kept_models import Keep, KeptModels, remove_worse

ACCURACY = Objective("valid/accuracy", "maximize")
LOSS = Objective("valid/loss", "minimize")


def _trial(root: Path, number: int) -> Path:
    for place in ("model", "fold-1/model", "seed-3/model", "seed-3/fold-0/model"):
        (root / str(number) / place).mkdir(parents=True)
        (root / str(number) / place / "weights.safetensors").touch()
    (root / str(number) / "result.json").touch()
    return root / str(number)


def _kept(root: Path) -> list[int]:
    return sorted(int(path.name) for path in root.iterdir() if [*path.rglob("weights.safetensors")])


@pytest.mark.parametrize(
    ("keep", "objective", "kept"),
    [
        (2, ACCURACY, [2, 4]),
        ("best", ACCURACY, [2]),
        (2, LOSS, [1, 3]),
        ("all", ACCURACY, [0, 1, 2, 3, 4]),
        (9, ACCURACY, [0, 1, 2, 3, 4]),
    ],
)
def test_the_best_so_far_keep_their_weights(
    tmp_path: Path, keep: Keep, objective: Objective, kept: list[int]
) -> None:
    models = KeptModels(keep, [objective], tmp_path)
    for number, value in enumerate([0.5, 0.1, 0.9, 0.2, 0.9]):
        if models.admits(number, {objective.name: value}):
            _trial(tmp_path, number)
        models.add(number, [value], str(number))
    assert _kept(tmp_path) == kept
    assert (tmp_path / "0" / "result.json").exists()


@pytest.mark.parametrize(("value", "admitted"), [(0.9, False), (0.91, True), (float("nan"), False)])
def test_a_trial_is_admitted_if_it_is_better_than_the_worst_that_is_kept(
    value: float, admitted: bool
) -> None:
    models = KeptModels(1, [ACCURACY], Path())
    models.add(0, [0.9], "0")
    assert models.admits(1, {ACCURACY.name: value}) is admitted


def test_where_nothing_is_kept_no_trial_is_admitted() -> None:
    models = KeptModels(0, [ACCURACY], Path())  # as sweep.extendable=0
    assert not models.admits(0, {ACCURACY.name: 0.9})
    models.add(0, [0.9], "0")
    assert not models.admits(1, {ACCURACY.name: 1.0})


def test_without_the_objective_among_the_scores_the_weights_are_kept_until_the_end() -> None:
    models = KeptModels(1, [ACCURACY], Path())
    models.add(0, [0.9], "0")
    assert models.admits(1, {"valid/loss": 1.0})


def _row(number: int, *values: float, feasible: bool = True) -> Row:
    return Row(number, "complete", values=values, feasible=feasible, folder=str(number))


@pytest.mark.parametrize(
    ("keep", "rows", "objectives", "kept"),
    [
        (2, [_row(0, 0.1), _row(1, 0.3), _row(2, 0.3), _row(3, 0.3)], (ACCURACY,), [1, 2]),
        ("best", [_row(0, 0.1), _row(1, 0.9, feasible=False)], (ACCURACY,), [0]),
        (1, [_row(0, 0.9, 0.9), _row(1, 0.5, 0.1), _row(2, 0.4, 0.2)], (ACCURACY, LOSS), [0, 1]),
        ("all", [_row(0, 0.1), _row(1, 0.3)], (ACCURACY,), [0, 1]),
    ],
)
def test_a_closed_sweep_has_the_weights_of_its_best_trials(
    tmp_path: Path, keep: Keep, rows: list[Row], objectives: tuple[Objective, ...], kept: list[int]
) -> None:
    for row in rows:
        _trial(tmp_path, row.number)
    remove_worse(Snapshot(objectives, tuple(rows), None), keep, tmp_path)
    assert _kept(tmp_path) == kept


def test_the_default_keeps_its_weights_beside_the_best(tmp_path: Path) -> None:
    rows = [replace(_row(number, 0.1 * number), point={"lr": number}) for number in range(4)]
    for row in rows:
        _trial(tmp_path, row.number)
    remove_worse(Snapshot((ACCURACY,), tuple(rows), None), 1, tmp_path, {"lr": 1})
    assert _kept(tmp_path) == [1, 3]
