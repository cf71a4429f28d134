from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.evaluate.projection_2d import Panel, Projection
from harness.record import plots

POINTS = np.array([[0.0, 0.0], [1.0, 0.0], [5.0, 5.0], [6.0, 5.0], [9.0, 9.0]])
CODES = np.array([0, 0, 1, 1, -1])


@pytest.fixture
def drawn(monkeypatch) -> list[Any]:  # type: ignore[no-untyped-def]
    """The figures, kept before they are saved."""
    figures: list[Any] = []
    save = plots._save

    def keep(figure: Any, path: Path) -> None:
        figures.append(figure)
        save(figure, path)

    monkeypatch.setattr(plots, "_save", keep)
    return figures


def found(
    targets: np.ndarray | None, classes: tuple[str, ...], shares: tuple[float, float] | None
) -> Projection:
    panels = (Panel("trained", POINTS, shares), Panel("raw input", POINTS * 2, shares))
    return Projection("pca" if shares else "umap", "test", panels, targets, classes)


def points(axis: Any, which: int) -> list[list[float]]:
    return sorted(axis.collections[which].get_offsets().tolist())


def test_classes_are_colours_and_names_and_unlabelled_rows_grey(tmp_path: Path, drawn: list[Any]) -> None:
    plots.projection(found(CODES, ("cat", "dog"), (0.25, 0.1)), tmp_path / "p.png")
    left, right = drawn[0].axes
    assert [axis.get_title() for axis in drawn[0].axes] == ["trained", "raw input"]
    assert points(left, 0) == [[9.0, 9.0]]
    assert points(left, 1) == POINTS[:4].tolist()
    assert points(right, 0) == [[18.0, 18.0]]
    assert {text.get_text(): text.get_position() for text in left.texts} == {
        "cat": (0.0, 0.0),
        "dog": (5.0, 5.0),
    }
    assert (left.get_xlabel(), left.get_ylabel()) == (
        "component 1: 25% of variance",
        "component 2: 10% of variance",
    )
    assert drawn[0].get_suptitle() == (
        "PCA of 5 test rows, 1 of them unlabelled (grey); axes learned from training rows"
    )
    colours = {tuple(colour) for colour in left.collections[1].get_facecolor()}
    assert len(colours) == 2
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG\r\n")


def test_a_name_stands_on_a_point_of_its_class(tmp_path: Path, drawn: list[Any]) -> None:
    split = np.array([[0.0, 0.0], [0.0, 1.0], [9.0, 9.0], [9.0, 8.0]])
    panel = Panel("trained", split, None)
    plots.projection(
        Projection("umap", "test", (panel,), np.zeros(4, dtype=np.int64), ("one",)), tmp_path / "p.png"
    )
    assert list(drawn[0].axes[0].texts[0].get_position()) in split.tolist()


def test_numbers_have_a_colour_bar(tmp_path: Path, drawn: list[Any]) -> None:
    numbers = np.array([1.0, 2.0, 3.0, np.nan, 4.0])
    plots.projection(found(numbers, (), None), tmp_path / "p.png")
    left, _, bar = drawn[0].axes
    assert points(left, 0) == [[6.0, 5.0]]
    assert sorted(left.collections[1].get_array().tolist()) == [1.0, 2.0, 3.0, 4.0]
    assert bar.get_ylabel() == "target"
    assert left.get_xlabel() == "dimension 1"
    assert drawn[0].get_suptitle().startswith("UMAP of 5 test rows, 1 of them unlabelled")


def test_rows_without_a_target_are_of_one_colour(tmp_path: Path, drawn: list[Any]) -> None:
    plots.projection(found(None, ("a", "b"), (0.5, 0.5)), tmp_path / "p.png")
    left, _ = drawn[0].axes
    assert points(left, 0) == POINTS.tolist()
    assert len(left.texts) == 0
    assert drawn[0].get_suptitle() == "PCA of 5 test rows; axes learned from training rows"


@pytest.mark.parametrize("count", [10, 20, 21])
def test_every_class_has_its_own_colour_and_few_are_named(
    tmp_path: Path, drawn: list[Any], count: int
) -> None:
    spread = np.random.default_rng(0).normal(size=(count, 2))
    names = tuple(f"class {code}" for code in range(count))
    one = Projection("pca", "test", (Panel("trained", spread, (0.5, 0.5)),), np.arange(count), names)
    plots.projection(one, tmp_path / "p.png")
    axis = drawn[0].axes[0]
    assert len(axis.texts) == (count if count <= 20 else 0)
    axis.figure.canvas.draw()
    assert len({tuple(colour) for colour in axis.collections[1].get_facecolor()}) == count
