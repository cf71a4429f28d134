from __future__ import annotations

import math
import re
from typing import Any

import pytest

from harness.console.text_format import (
    duration,
    epoch_columns,
    epoch_header,
    epoch_row,
    file_width,
    fold_columns,
    headline,
    number,
    plain_text,
    score_table,
)
from harness.core.progress import Progress
from harness.runs.run_result import Result, summarise


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.97222, "0.9722"),
        (-1.5, "-1.5000"),
        (0.0, "0.0000"),
        (0.00052, "5.20e-04"),
        (52300.444, "52,300.44"),
        (1.2e9, "1.20e+09"),
        (math.nan, "-"),
        (None, "-"),
        (math.inf, "inf"),
    ],
)
def test_numbers_have_only_meaningful_digits(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.84, "0.8 s"),
        (41.6, "42 s"),
        (59.7, "1 min 00 s"),
        (200, "3 min 20 s"),
        (18200, "5 h 03 min"),
        (-1, "0.0 s"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_file_that_cannot_write_signs_gets_words() -> None:
    line = [("★ ", "bold"), ("0.5 ± 0.1 ──é", "")]
    assert plain_text(line, "utf-8") == "* 0.5 ± 0.1 ──é"
    assert plain_text(line, "ascii") == "* 0.5 +/- 0.1 --?"


def progress(best: bool = True) -> Progress:
    scores = {
        "train/loss": 0.5,
        "valid/loss": 0.25,
        "valid/accuracy": 0.9,
        "valid/f1": 0.8,
        "lr": 0.001,
        "time/epoch_seconds": 1.5,
    }
    return Progress(7, 20, 70, scores, best, dict)


def test_an_epoch_reads_under_its_header() -> None:
    columns = epoch_columns(progress(), "valid/accuracy", 100)
    assert columns == [
        "epoch",
        "train/loss",
        "valid/accuracy",
        "valid/loss",
        "valid/f1",
        "lr",
        "time/epoch_seconds",
    ]
    lines = [*epoch_header(columns), epoch_row(columns, progress(), "valid/accuracy")]
    assert [plain_text(line, "utf-8") for line in lines] == [
        "              train     valid",
        "    epoch      loss  accuracy      loss        f1        lr   seconds",
        "*       7    0.5000    0.9000    0.2500    0.8000     0.001    1.5000",
    ]
    assert ("    0.9000", "bold green") in lines[-1]


def test_an_epoch_has_one_column_of_a_loss_that_is_the_log_loss() -> None:
    scores = {"train/loss": 0.5, "valid/loss": 0.25, "valid/log_loss": 0.25001}
    twice = Progress(7, 20, 70, scores, True, dict)
    assert epoch_columns(twice, "valid/accuracy", 100) == ["epoch", "train/loss", "valid/loss"]
    assert epoch_columns(twice, "valid/log_loss", 100) == ["epoch", "train/loss", "valid/log_loss"]
    other = Progress(7, 20, 70, scores | {"valid/log_loss": 0.26}, True, dict)
    assert "valid/log_loss" in epoch_columns(other, "valid/accuracy", 100)


def test_an_epoch_that_is_not_the_best_is_not_marked() -> None:
    row = epoch_row(["epoch", "valid/accuracy"], progress(best=False), "valid/accuracy")
    assert plain_text(row, "utf-8") == "        7    0.9000"
    assert all(style == "" for _, style in row[1:])


def test_a_narrow_screen_keeps_what_matters_most() -> None:
    assert epoch_columns(progress(), "valid/accuracy", 40) == [
        "epoch",
        "train/loss",
        "valid/accuracy",
        "time/epoch_seconds",
    ]


def test_the_line_of_a_fold_fits_and_starts_with_the_score_that_decides() -> None:
    titles = ["fold", "best epoch", "test/loss", "test/f1", "test/accuracy"]
    assert fold_columns(titles, "valid/accuracy", 200) == [
        "fold",
        "best epoch",
        "test/accuracy",
        "test/loss",
        "test/f1",
    ]
    assert fold_columns(titles, "valid/accuracy", 50) == ["fold", "best epoch", "test/accuracy"]
    titles = ["fold", "train/valid/test", *titles[1:]]
    assert fold_columns(titles, "valid/accuracy", 60) == ["fold", "best epoch", "test/accuracy"]
    assert fold_columns(titles, "valid/accuracy", 70) == [*titles[:3], "test/accuracy"]


def test_the_headline_is_the_test_part_without_baselines() -> None:
    scores = dict.fromkeys(
        ["valid/loss", "test/rmse", "test/rmse_baseline_mean", "test/f1_baseline_raw"], 1.0
    )
    assert list(headline(scores)) == ["test/rmse"]
    assert list(headline({"valid/accuracy": 1.0, "train/loss": 1.0})) == ["valid/accuracy"]
    assert headline({"train/loss": 1.0}) == {}


def text_of(result: Result, width: int | None = None) -> list[str]:
    return [plain_text(line, "utf-8") for line in score_table(result, width)]


def test_each_score_is_shown_beside_its_baselines_and_the_best_is_marked() -> None:
    found = {
        "test/rmse": 5.0,
        "test/rmse_baseline_mean": 4.0,
        "test/knn_accuracy": 0.98,
        "test/knn_accuracy_baseline_random": 0.95,
        "test/knn_accuracy_baseline_raw": 0.97,
        "test/ece": 0.01,
    }
    scores = {name: summarise([value]) for name, value in found.items()}
    assert text_of(Result(status="finished", scores=scores, folds=1)) == [
        "test              model   train mean     random        raw",
        "──────────────────────────────────────────────────────────",
        "rmse             5.0000     * 4.0000",
        "knn_accuracy   * 0.9800                  0.9500     0.9700",
        "ece              0.0100",
    ]


def test_a_loss_that_is_the_log_loss_is_shown_once() -> None:
    found = {"test/loss": [0.25001, 0.5], "test/log_loss": [0.25002, 0.5], "test/accuracy": [0.9, 0.8]}
    scores = {name: summarise(values) for name, values in found.items()}

    def rows(**more: Any) -> list[str]:
        return [
            line.split()[0] for line in text_of(Result(status="finished", scores=scores, folds=2, **more))[2:]
        ]

    assert rows() == ["log_loss", "accuracy"]
    assert rows(objective={"name": "test/loss"}) == ["loss", "log_loss", "accuracy"]
    scores["test/log_loss"] = summarise([0.25002, 0.51])
    assert rows() == ["loss", "log_loss", "accuracy"]


def test_one_fold_has_the_interval_over_its_rows() -> None:
    scores = {name: summarise([value]) for name, value in {"test/accuracy": 0.9, "test/ece": 0.1}.items()}
    scores["test/accuracy"]["ci95_rows"] = [0.8, 0.95]
    assert text_of(Result(status="finished", folds=1, scores=scores))[::2] == [
        "test          model      95 % interval",
        "accuracy     0.9000   [0.8000, 0.9500]",
    ]


def test_folds_add_spread_and_interval() -> None:
    scores = {
        "test/accuracy": summarise([0.90, 0.94, 0.95]),
        "test/auroc": summarise([0.9, math.nan, math.nan]),
        "test/accuracy_baseline_majority": summarise([0.1, 0.1, 0.1]),
    }
    assert text_of(Result(status="finished", scores=scores, folds=3)) == [
        "test          model        std      95 % interval   majority",
        "────────────────────────────────────────────────────────────",
        "accuracy   * 0.9300   ± 0.0265   [0.8643, 0.9957]     0.1000",
        "auroc        0.9000",
    ]


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (None, ["test", "model", "std", "95 % interval", "pooled", "majority", "raw"]),
        (80, ["test", "model", "std", "95 % interval", "pooled", "majority", "raw"]),
        (75, ["test", "model", "std", "95 % interval", "majority", "raw"]),
        (60, ["test", "model", "std", "95 % interval", "majority"]),
        (50, ["test", "model", "95 % interval", "majority"]),
        (30, ["test", "model", "majority"]),
        (10, ["test", "model"]),
    ],
)
def test_a_narrow_table_keeps_what_matters_most(width: int | None, titles: list[str]) -> None:
    names = ("test/accuracy", "test/accuracy_baseline_majority", "test/accuracy_baseline_raw")
    scores = {name: summarise([0.90, 0.94, 0.95]) for name in names}
    scores["test/accuracy"]["pooled"] = 0.93
    header, rule, *_ = text_of(Result(status="finished", scores=scores, folds=3), width)
    assert re.split(" {2,}", header) == titles
    assert len(rule) <= max(width or 100, 20)


@pytest.mark.parametrize(("columns", "width"), [("60", 60), ("", None), ("0", None), ("wide", None)])
def test_columns_set_the_width_of_a_file(
    columns: str, width: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert file_width() == width


def test_without_scores_there_is_no_table() -> None:
    assert score_table(Result(status="failed")) == []
