"""The picture of a representation: colours and names of classes, numbers, rows without a target."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from harness.evaluate.projection_2d import Panel, Projection
from harness.record import plots
from harness.report.projection_charts import (
    class_colours,
    middle_point,
    projection_figures,
    projection_title,
)

POINTS = np.array([[0.0, 0.0], [1.0, 0.0], [5.0, 5.0], [6.0, 5.0], [9.0, 9.0]])
CODES = np.array([0, 0, 1, 1, -1])


def found(
    targets: np.ndarray | None, classes: tuple[str, ...], shares: tuple[float, float] | None
) -> Projection:
    panels = (Panel("trained", POINTS, shares), Panel("raw input", POINTS * 2, shares))
    return Projection("pca" if shares else "umap", "test", panels, targets, classes)


def fills(projection: Projection) -> list[str]:
    """The colours of the first panel's dots, sorted; "" for the page's own blue."""
    marks = projection_figures(projection)[0].drawings[0].marks
    return sorted(
        re.findall(r'<circle class="[^"]*" cx="[^"]*" cy="[^"]*" r="[^"]*"(?: fill="(.*?)")?>', marks)
    )


def names(projection: Projection) -> list[str]:
    return re.findall(r'class="mid halo f\d">(.*?)<', projection_figures(projection)[0].drawings[0].marks)


def test_classes_are_colours_and_names_and_unlabelled_rows_grey(tmp_path: Path) -> None:
    one = found(CODES, ("cat", "dog"), (0.25, 0.1))
    left, right = projection_figures(one)
    assert (left.caption, right.caption) == ("trained", "raw input")
    assert fills(one) == ["#bbbbbb", "var(--c0)", "var(--c0)", "var(--c1)", "var(--c1)"]
    assert names(one) == ["cat", "dog"]
    assert "component 1: 25% of variance" in left.drawings[0].marks
    assert "component 2: 10% of variance" in left.drawings[0].marks
    title = "PCA of 5 test rows, 1 of them unlabelled (grey); axes learned from training rows"
    assert projection_title(one) == title
    plots.projection(one, tmp_path / "p.svg")
    assert title in (tmp_path / "p.svg").read_text()


def test_the_name_of_a_class_is_at_one_of_its_points() -> None:
    split = np.array([[0.0, 0.0], [0.0, 1.0], [9.0, 9.0], [9.0, 8.0]])
    assert middle_point(split).tolist() in split.tolist()


def test_numbers_are_a_scale_of_colours() -> None:
    one = found(np.array([1.0, 2.0, 3.0, np.nan, 4.0]), (), None)
    assert len(set(fills(one))) == 5
    assert {"#bbbbbb", "#440154", "#fde725"} < set(fills(one))
    left, _ = projection_figures(one)
    assert left.caption == "trained; dark is a target of 1, light of 4"
    assert "dimension 1" in left.drawings[0].marks
    assert projection_title(one).startswith("UMAP of 5 test rows, 1 of them unlabelled")


def test_rows_without_a_target_are_of_one_colour() -> None:
    one = found(None, ("a", "b"), (0.5, 0.5))
    assert fills(one) == [""] * 5
    assert names(one) == []
    assert projection_title(one) == "PCA of 5 test rows; axes learned from training rows"


@pytest.mark.parametrize("count", [10, 20, 21])
def test_every_class_has_its_own_colour_and_few_are_named(count: int) -> None:
    spread = np.random.default_rng(0).normal(size=(count, 2))
    classes = tuple(f"class {code}" for code in range(count))
    one = Projection("pca", "test", (Panel("trained", spread, (0.5, 0.5)),), np.arange(count), classes)
    assert len(names(one)) == (count if count <= 20 else 0)
    assert len(set(fills(one))) == len(set(class_colours(count))) == count
