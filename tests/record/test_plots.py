"""The pictures of a run contain its numbers. They are SVG, so the tests read the titles of their marks."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from harness.core.epoch_ranking import EpochRanking
from harness.evaluate.prediction_statistics import calibration
from harness.record import plots
from harness.report.class_charts import confusion_figure, reliability_figure
from harness.report.html.page_parts import Figure
from harness.report.number_charts import number_figures
from harness.report.predicted_rows import PredictedRows
from harness.report.training_charts import training_figures
from tests.conftest import RunCli

NAMES = ("train/loss", "valid/loss", "valid/rmse", "valid/r2", "valid/rankme", "lr")
VALUES = ((2.0, 2.5, 40.0, 0.1, 9.0, 0.1), (1.0, 1.5, 20.0, 0.7, 12.0, 0.1), (0.5, 1.8, 30.0, 0.5, 11.0, 0.1))
HISTORY = [dict(zip(NAMES, values, strict=True)) for values in VALUES]


def titles(figure: Figure) -> list[str]:
    marks = "".join(drawing.marks for drawing in figure.drawings)
    return re.findall("<title>(.*?)</title>", marks)


def ranking(monitor: str) -> EpochRanking:
    return EpochRanking.of(monitor, None)


def texts(path: Path) -> str:
    """All texts of a picture, which must be well-formed XML."""
    return " | ".join(filter(None, (text.strip() for text in ElementTree.parse(path).getroot().itertext())))


def test_curves_give_each_quantity_its_axis_and_mark_the_best(tmp_path: Path) -> None:
    plots.curves(HISTORY, tmp_path / "curves.svg", ranking("valid/rmse"))
    seen = texts(tmp_path / "curves.svg")
    assert "best valid/rmse 20 in epoch 2" in seen
    assert "best epoch 2: valid/rmse 20.0000" in seen
    figures = training_figures({"": dict(enumerate(HISTORY, start=1))}, ranking("valid/rmse"))
    assert [figure.caption.removesuffix(" by epoch") for figure in figures] == [
        "Loss",
        "Valid/rmse",
        "Valid/r2",
        "Valid/rankme",
        "Learning rate",
    ]
    assert titles(figures[0]) == ["train/loss", "valid/loss", "best epoch 2: valid/loss 1.5000"]


def test_of_equal_scores_the_last_epoch_is_the_best() -> None:
    history = {epoch: {"valid/accuracy": score} for epoch, score in enumerate((0.5, 0.9, 0.9, float("nan")))}
    assert ranking("valid/accuracy").best(history) == 2
    assert ranking("valid/f1").best(history) is None


def test_best_by_decides_between_equal_scores_and_the_earlier_of_what_is_equal_still() -> None:
    losses = (0.3, 0.2, 0.2, 0.1)
    accuracies = (0.9, 0.9, 0.9, 0.8)
    history = {
        epoch: {"valid/accuracy": accuracy, "valid/log_loss": loss}
        for epoch, (accuracy, loss) in enumerate(zip(accuracies, losses, strict=True), start=1)
    }
    stored = {"trainer": {"monitor": "valid/accuracy", "best_by": ["valid/accuracy", "valid/log_loss"]}}
    assert EpochRanking.stored(stored, {}).best(history) == 2
    assert EpochRanking.of("valid/accuracy", "valid/log_loss").best(history) == 4
    # A run without the setting, of an earlier version: the latest of equal epochs.
    assert EpochRanking.stored({"trainer": {"monitor": "valid/accuracy"}}, {}).best(history) == 3


def test_curves_can_be_drawn_of_a_single_epoch_of_a_late_score_and_of_none(tmp_path: Path) -> None:
    plots.curves(HISTORY[:1], tmp_path / "one.svg", ranking("valid/f1"))
    late = [{"train/loss": 1.0}, {"train/loss": 1.0, "valid/accuracy": 0.5}]
    plots.curves(late, tmp_path / "late.svg", ranking("valid/f1"))
    plots.curves([], tmp_path / "none.svg", ranking("valid/f1"))
    assert "valid/accuracy" in texts(tmp_path / "late.svg")
    assert all("in epoch" not in texts(path) for path in tmp_path.iterdir())


def test_a_confusion_matrix_shows_shares_and_writes_counts() -> None:
    figure = confusion_figure(np.array([[9, 1, 0], [0, 5, 0], [0, 0, 0]]), ["cat", "dog", "fox"])
    assert figure is not None
    assert titles(figure)[:2] == [
        "true cat, predicted cat: 9 rows, 90.0% of cat",
        "true cat, predicted dog: 1 rows, 10.0% of cat",
    ]
    assert len(titles(figure)) == 9
    marks = figure.drawings[0].marks
    assert [text for text in (">9<", ">1<", ">5<", ">0<") if text in marks] == [">9<", ">1<", ">5<"]
    assert "predicted class" in marks


@pytest.mark.parametrize(("classes", "drawn"), [(20, True), (40, True), (61, False)])
def test_a_confusion_matrix_of_many_classes_is_colours_alone_or_left_out(classes: int, drawn: bool) -> None:
    counts = np.full((classes, classes), 7)
    figure = confusion_figure(counts, [str(code) for code in range(classes)])
    assert (figure is not None) == drawn
    if figure is not None:
        assert ('class="mid">7<' in figure.drawings[0].marks) == (classes <= 20)


def test_calibration_shows_accuracy_against_confidence() -> None:
    confidence, right = np.array([0.9, 0.9, 0.9, 0.6]), np.array([True, False, True, True])
    figure = reliability_figure(calibration(confidence, right, 5), "confidence", "share")
    assert titles(figure) == [
        "perfectly calibrated",
        "1 predictions: confidence 0.6000, share 1.0000",
        "3 predictions: confidence 0.9000, share 0.6667",
        "0.40 – 0.60: 1 predictions",
        "0.80 – 1.00: 3 predictions",
    ]
    assert figure.caption == "Calibration: expected calibration error 0.2750 over 4 predictions"


def test_residuals_have_a_dot_per_row_and_the_mean_error() -> None:
    against, errors, histogram = number_figures(np.array([2.0, 5.0]), np.array([1.0, 2.0]), "kg")
    dots = [
        "true 2.0000, predicted 1.0000, error -1.0000",
        "true 5.0000, predicted 2.0000, error -3.0000",
    ]
    assert (titles(against)[1:], titles(errors)[1:]) == (dots, dots)
    assert titles(histogram)[-1] == "mean -2.0000"
    assert against.caption == "Predicted against true kg: a dot per test row"


@pytest.mark.slow
def test_no_picture_needs_matplotlib_and_none_jinja_before_it_is_drawn(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, harness.record.plots as plot; assert 'jinja2' not in sys.modules;"
        "from harness.core.epoch_ranking import EpochRanking;"
        f"path = pathlib.Path({str(tmp_path / 'a.svg')!r});"
        "plot.curves([{'train/loss': 1.0}], path, EpochRanking.of('', None));"
        "assert not {'matplotlib', 'plotly'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_rates_show_the_valley_and_the_suggestions(tmp_path: Path) -> None:
    tried = np.array([1e-4, 1e-3, 1e-2, 1e-1, 1.0])
    losses = np.array([2.0, 1.5, 1.0, 1.4, 1e9])
    marks = {"steepest": 1e-3, "lowest / 10": 1e-3}
    plots.rates(tried, losses, losses.clip(max=4), marks, tmp_path / "lr.svg")
    seen = texts(tmp_path / "lr.svg")
    assert "steepest: 0.001 | " in seen
    assert "lowest / 10: 0.001" in seen
    # The axis ends at 2.4: a loss that diverged does not flatten the valley.
    assert "| 2 | 0.0001 | 0.001 | 0.01 | 0.1 | 1 |" in seen


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("$a_1^2$", "$a_1^2$"),
        ("\\frac{$", "\\frac{$"),
        ("<b>&amp;", "<b>&amp;"),
        ("a\x00\x1b[1m", "a\\x00\\x1b[1m"),
        ("\ufffe", "\\ufffe"),
    ],
)
def test_any_name_of_a_class_is_drawn_as_a_text(name: str, drawn: str, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "target": [name, "b"],
            "prediction": ["b", "b"],
            f"probability_{name}": [0.4, 0.1],
            "probability_b": [0.6, 0.9],
        }
    )
    assert plots.predicted(PredictedRows(frame), tmp_path) == ["confusion.svg", "calibration.svg"]
    assert f"true {drawn}, predicted b: 1 rows" in texts(tmp_path / "confusion.svg")
    texts(tmp_path / "calibration.svg")


def test_a_picture_that_fails_changes_no_status(run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> str:
        raise ValueError("expected 1 value, got 2")

    monkeypatch.setattr(plots, "render_drawings", fail)
    done = run_cli("data/extract=iris", "trainer.epochs=1", "tracking=none", "hydra.run.dir=run")
    assert done.status == 0
    assert json.loads(Path("run/result.json").read_text())["status"] == "finished"
    assert "! curves.svg could not be drawn: ValueError: expected 1 value, got 2" in done.out
    assert not list(Path("run").glob("*.svg"))
    assert Path("run/report.html").exists()
