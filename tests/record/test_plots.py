from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.record import plots


@pytest.fixture
def drawn(monkeypatch) -> list[Any]:
    """The figures, kept before they are saved."""
    figures: list[Any] = []
    save = plots._save

    def keep(figure: Any, path: Path) -> None:
        figures.append(figure)
        save(figure, path)

    monkeypatch.setattr(plots, "_save", keep)
    return figures


def is_png(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG\r\n")


HISTORY = [
    {
        "train/loss": 2.0,
        "valid/loss": 2.5,
        "valid/rmse": 40.0,
        "valid/r2": 0.1,
        "valid/rankme": 9.0,
        "lr": 0.1,
    },
    {
        "train/loss": 1.0,
        "valid/loss": 1.5,
        "valid/rmse": 20.0,
        "valid/r2": 0.7,
        "valid/rankme": 12.0,
        "lr": 0.1,
    },
    {
        "train/loss": 0.5,
        "valid/loss": 1.8,
        "valid/rmse": 30.0,
        "valid/r2": 0.5,
        "valid/rankme": 11.0,
        "lr": 0.1,
    },
]


def test_curves_give_each_quantity_its_axis_and_mark_the_best(tmp_path: Path, drawn: list[Any]) -> None:
    plots.curves(HISTORY, tmp_path / "curves.png", "valid/rmse")
    assert is_png(tmp_path / "curves.png")
    figure = drawn[0]
    lines = {axis.get_ylabel(): [line.get_label() for line in axis.lines[:-1]] for axis in figure.axes}
    assert lines == {
        "loss": ["train/loss", "valid/loss"],
        "error": ["valid/rmse"],
        "score": ["valid/r2"],
        "effective rank": ["valid/rankme"],
    }
    assert figure.axes[0].lines[0].get_xydata().tolist() == [[1, 2.0], [2, 1.0], [3, 0.5]]
    assert figure.get_suptitle() == "best valid/rmse 20 in epoch 2"


def test_curves_bear_a_single_epoch_and_a_score_that_comes_late(tmp_path: Path, drawn: list[Any]) -> None:
    plots.curves(HISTORY[:1], tmp_path / "one.png")
    plots.curves(
        [{"train/loss": 1.0}, {"train/loss": 1.0, "valid/accuracy": 0.5}], tmp_path / "late.png", "valid/f1"
    )
    plots.curves([], tmp_path / "none.png")
    assert [figure.get_suptitle() for figure in drawn] == ["", "", ""]
    assert np.isnan(drawn[1].axes[1].lines[0].get_ydata()[0])


def test_a_confusion_matrix_shows_shares_and_writes_counts(tmp_path: Path, drawn: list[Any]) -> None:
    matrix = np.array([[9, 1, 0], [0, 5, 0], [0, 0, 0]])
    plots.confusion(matrix, ["cat", "dog", "fox"], tmp_path / "confusion.png")
    axis = drawn[0].axes[0]
    assert axis.images[0].get_array().tolist() == [[0.9, 0.1, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    assert {text.get_position(): text.get_text() for text in axis.texts} == {
        (0, 0): "9",
        (1, 0): "1",
        (1, 1): "5",
    }
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("predicted class", "true class")
    assert axis.get_title() == "15 rows, accuracy 0.9333"
    assert is_png(tmp_path / "confusion.png")


def test_many_classes_are_colours_alone(tmp_path: Path, drawn: list[Any]) -> None:
    plots.confusion(np.eye(40, dtype=np.int64), [str(code) for code in range(40)], tmp_path / "confusion.png")
    assert len(drawn[0].axes[0].texts) == 0


def test_calibration_shows_accuracy_against_confidence(tmp_path: Path, drawn: list[Any]) -> None:
    probabilities = np.array([0.9, 0.9, 0.1, 0.6, 0.5])
    targets = np.array([1, 0, 0, 1, -1])
    plots.calibration(probabilities, targets, tmp_path / "calibration.png", bins=5)
    upper, lower = drawn[0].axes
    assert upper.lines[1].get_xydata().tolist() == [
        [pytest.approx(0.6), 1.0],
        [pytest.approx(0.9), pytest.approx(2 / 3)],
    ]
    assert [bar.get_height() for bar in lower.patches] == [0, 0, 1, 0, 3]
    assert upper.get_title() == "4 rows, expected calibration error 0.2750"
    assert is_png(tmp_path / "calibration.png")


def test_residuals_leave_unlabelled_rows_out_and_name_the_unit(tmp_path: Path, drawn: list[Any]) -> None:
    plots.residuals(
        np.array([1.0, 2.0, 9.0]), np.array([2.0, 5.0, np.nan]), tmp_path / "residuals.png", "mg/dl"
    )
    left, right = drawn[0].axes
    assert left.collections[0].get_offsets().tolist() == [[2.0, 1.0], [5.0, 2.0]]
    assert left.get_xlabel() == "true (mg/dl)"
    assert right.get_legend().get_texts()[0].get_text() == "mean -2"
    assert drawn[0].get_suptitle() == "2 rows, RMSE 2.236 (mg/dl)"
    assert is_png(tmp_path / "residuals.png")


def test_residuals_of_several_targets_have_a_row_of_panels_each(tmp_path: Path, drawn: list[Any]) -> None:
    true = np.array([[1.0, 10.0], [3.0, np.nan]])
    plots.residuals(np.array([[2.0, 12.0], [2.0, 9.0]]), true, tmp_path / "r.png", names=("kg", "cm"))
    first, _, second, beside = drawn[0].axes
    assert first.collections[0].get_offsets().tolist() == [[1.0, 2.0], [3.0, 2.0]]
    assert second.collections[0].get_offsets().tolist() == [[10.0, 12.0]]
    assert (first.get_title(), second.get_title()) == ("2 rows, RMSE 1", "1 rows, RMSE 2")
    assert (first.get_xlabel(), beside.get_xlabel()) == ("true kg", "predicted minus true cm")
    plots.residuals(np.zeros((2, 9)), np.zeros((2, 9)), tmp_path / "r.png", names=list("abcdefghi"))
    assert len(drawn[1].axes) == 2 * 8


def test_residuals_of_no_rows_are_an_empty_picture(tmp_path: Path) -> None:
    plots.residuals(np.array([1.0]), np.array([np.nan]), tmp_path / "residuals.png")
    assert is_png(tmp_path / "residuals.png")


def test_no_picture_needs_pyplot_and_none_matplotlib_before_it_is_drawn(tmp_path: Path) -> None:
    code = (
        "import sys, harness.record.plots as plot; assert 'matplotlib' not in sys.modules;"
        f"plot.curves([{{'train/loss': 1.0}}], {str(tmp_path / 'a.png')!r});"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_rates_show_the_valley_and_what_is_read_off_it(tmp_path: Path, drawn: list[Any]) -> None:
    tried = np.array([1e-4, 1e-3, 1e-2, 1e-1, 1.0])
    losses = np.array([2.0, 1.5, 1.0, 1.4, 1e9])
    marks = {"steepest": 1e-3, "lowest / 10": 1e-3}
    plots.rates(tried, losses, losses.clip(max=4), marks, tmp_path / "lr.png")
    assert is_png(tmp_path / "lr.png")
    (axis,) = drawn[0].axes
    assert axis.get_xscale() == "log"
    assert axis.get_ylim() == pytest.approx((0.75, 2.4))  # what blew up does not press the valley flat
    written = [text.get_text() for text in axis.get_legend().get_texts()]
    assert written == ["loss of a step", "smoothed", "steepest: 0.001", "lowest / 10: 0.001"]
