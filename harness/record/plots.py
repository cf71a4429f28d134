"""The pictures that a run leaves as SVG files in its folder, and in MLflow under `plots`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from harness.core.disk_full import disk_full
from harness.core.epoch_ranking import EpochRanking
from harness.core.error_text import described
from harness.core.scores import direction
from harness.evaluate.projection_2d import Projection
from harness.report.html.page_parts import Figure
from harness.report.html.render_page import render_drawings
from harness.report.predicted_rows import PredictedRows
from harness.report.projection_charts import projection_figures, projection_title
from harness.report.training_charts import DirectionOf, rates_figure, training_figures
from harness.runtime.redact import first_line


def curves(
    history: Sequence[Mapping[str, float]],
    path: Path,
    ranking: EpochRanking,
    direction_of: DirectionOf = direction,
) -> None:
    """Loss and scores by epoch.

    Args:
        history: the `Progress.scores` of each epoch, from the first; "epoch" may hold its number.
        ranking: by which the best epoch is chosen, which is marked.
        direction_of: the direction of a score by its full name.
    """
    epochs = {
        int(scores.get("epoch", place)): {name: value for name, value in scores.items() if name != "epoch"}
        for place, scores in enumerate(history, start=1)
    }
    best = ranking.best(epochs)
    title = "" if best is None else f"best {ranking.first} {epochs[best][ranking.first]:.4g} in epoch {best}"
    _write(path, title, training_figures({"": epochs}, ranking, direction_of) if epochs else [])


def projection(points: Projection, path: Path) -> None:
    """The representations of a part's rows side by side."""
    _write(path, projection_title(points), projection_figures(points))


def rates(
    tried: np.ndarray, losses: np.ndarray, smooth: np.ndarray, marks: Mapping[str, float], path: Path
) -> None:
    """The loss against the learning rate, and the rates that it suggests; see `rates_figure`."""
    _write(path, "", [rates_figure(tried, losses, smooth, marks)])


def predicted(rows: PredictedRows, folder: Path) -> list[str]:
    """The pictures of a run's predictions; returns the names of the files."""
    for name, figures in rows.figures.items():
        _write(folder / f"{name}.svg", f"{len(rows.frame):,} test rows", figures)
    return [f"{name}.svg" for name in rows.figures]


@contextmanager
def optional(what: str, note: Callable[[str], None]) -> Iterator[None]:
    """A picture that cannot be drawn is a note: the run, its scores and its status do not depend on it.

    Raises:
        Exception: the disk is full; a resumed run draws the picture.
    """
    try:
        yield
    except Exception as error:
        if disk_full(error):
            raise
        note(f"{what} could not be drawn: {first_line(described(error), [])}")


def _write(path: Path, title: str, figures: Sequence[Figure]) -> None:
    path.write_text(render_drawings(title, figures), encoding="utf-8")
