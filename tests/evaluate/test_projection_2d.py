from __future__ import annotations

import math
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn

from harness.core.errors import UserError
from harness.core.predictor import Predictor
from harness.core.task import Task
from harness.evaluate import projection_2d, representation
from harness.evaluate.projection_2d import pca
from harness.evaluate.representation import Representation

TWO = Task("binary", ("left", "right"))


def draw(*shape: int, seed: int = 0) -> Tensor:
    """Features of unlike variance, so that their components have an order."""
    noise = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return noise * torch.linspace(1, 3, shape[1], dtype=torch.float64)


@pytest.mark.parametrize(("rows", "width"), [(60, 5), (12, 40)], ids=["primal", "dual"])
def test_components_and_shares_equal_those_of_scikit_learn(rows: int, width: int) -> None:
    bank, queries = draw(rows, width) + 7, draw(9, width, seed=1) + 7
    points, shares = pca(bank, queries)
    model = PCA(n_components=2).fit(bank)
    expected = model.transform(queries)
    assert shares == pytest.approx(tuple(model.explained_variance_ratio_))
    for axis in (0, 1):
        loadings = model.components_[axis]
        sign = np.sign(loadings[np.abs(loadings).argmax()])
        assert points[:, axis].numpy() == pytest.approx(sign * expected[:, axis], abs=1e-9)


def test_axes_are_learned_from_the_bank_alone() -> None:
    bank, queries = draw(40, 6), draw(20, 6, seed=1)
    alone = pca(bank, queries[:1])[0]
    torch.testing.assert_close(pca(bank, queries)[0][:1], alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize("width", [1, 30], ids=["one feature", "features that say the same"])
def test_a_component_that_does_not_exist_is_zero(width: int) -> None:
    line = torch.arange(20, dtype=torch.float64)[:, None]
    points, shares = pca(line.repeat(1, width), line[:3].repeat(1, width))
    assert shares == pytest.approx((1.0, 0.0))
    assert points[:, 1].tolist() == [0.0, 0.0, 0.0]
    assert (points[1:, 0] - points[:-1, 0]).tolist() == pytest.approx([math.sqrt(width)] * 2)


def test_rows_that_are_all_alike_lie_on_one_point() -> None:
    alike = torch.ones(5, 3, dtype=torch.float64)
    points, shares = pca(alike, alike[:2])
    assert shares == (0.0, 0.0)
    assert points.tolist() == [[0.0, 0.0], [0.0, 0.0]]


def clouds(rows: int, seed: int) -> tuple[Tensor, Tensor]:
    return draw(rows, 3, seed=seed).float(), torch.arange(rows) % 2


class Broken(nn.Module):
    """A representation that is not finite."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs * math.nan


def test_the_trained_model_is_compared_with_a_random_one_and_the_input(make_loaders) -> None:  # type: ignore[no-untyped-def]
    train, test = clouds(50, 0), clouds(20, 1)
    test[1][3] = -1
    loaders = make_loaders(TWO, train, test=test)
    trained = Predictor(nn.Linear(3, 4), None, TWO)
    found = Representation().project(trained, loaders, "test", lambda: Predictor(nn.Identity(), None, TWO))
    assert found is not None
    assert (found.method, found.part, found.classes) == ("pca", "test", ("left", "right"))
    assert [panel.name for panel in found.panels] == ["trained", "random encoder", "raw input"]
    assert found.targets is not None
    assert found.targets.tolist() == test[1].tolist()
    random, raw = found.panels[1:]
    np.testing.assert_array_equal(random.points, raw.points)  # an encoder that changes nothing
    inputs = train[0].double()
    standard = (inputs - inputs.mean(0)) / inputs.std(0, correction=0)
    asked = (test[0].double() - inputs.mean(0)) / inputs.std(0, correction=0)
    points, shares = pca(standard, asked)
    np.testing.assert_allclose(raw.points, points.numpy(), atol=1e-12)
    assert raw.shares == pytest.approx(shares)


def test_of_many_rows_the_same_few_are_shown_in_every_panel(make_loaders) -> None:  # type: ignore[no-untyped-def]
    loaders = make_loaders(TWO, clouds(50, 0), valid=clouds(40, 1))
    same = Predictor(nn.Identity(), None, TWO)
    found = Representation(points=15).project(same, loaders, "valid", lambda: same)
    assert found is not None
    assert {panel.points.shape for panel in found.panels} == {(15, 2)}
    for panel in found.panels[1:]:
        np.testing.assert_array_equal(panel.points, found.panels[0].points)
    assert found.targets is not None
    assert set(found.targets.tolist()) == {0, 1}


def test_projecting_draws_no_random_number(make_loaders) -> None:  # type: ignore[no-untyped-def]
    loaders = make_loaders(TWO, clouds(50, 0), valid=clouds(40, 1))
    same = Predictor(nn.Identity(), None, TWO)
    before = torch.get_rng_state()
    Representation(points=15).project(same, loaders, "valid", lambda: same)
    assert torch.equal(torch.get_rng_state(), before)


def test_what_is_not_finite_or_too_large_has_no_panel(make_loaders, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    loaders = make_loaders(TWO, clouds(50, 0), test=clouds(20, 1))
    broken, same = Predictor(Broken(), None, TWO), Predictor(nn.Identity(), None, TWO)
    found = Representation().project(broken, loaders, "test", lambda: same)
    assert found is not None
    assert [panel.name for panel in found.panels] == ["random encoder", "raw input"]
    monkeypatch.setattr(representation, "_MOST_RAW", 70 * 3 - 1)
    assert Representation().project(broken, loaders, "test", lambda: broken) is None


@pytest.mark.parametrize(
    ("task", "targets"),
    [(Task("none"), None), (Task("multilabel", ("a", "b")), torch.zeros(20, 2))],
    ids=["no target", "several"],
)
def test_rows_without_a_single_target_have_no_colour(
    make_loaders, task: Task, targets: Tensor | None
) -> None:  # type: ignore[no-untyped-def]
    train = None if targets is None else torch.zeros(50, 2)
    loaders = make_loaders(task, (clouds(50, 0)[0], train), test=(clouds(20, 1)[0], targets))
    same = Predictor(nn.Identity(), None, task)
    found = Representation().project(same, loaders, "test", lambda: same)
    assert found is not None
    assert found.targets is None


def test_no_picture_is_made_where_none_is_wanted(make_loaders) -> None:  # type: ignore[no-untyped-def]
    loaders = make_loaders(TWO, clouds(50, 0), test=clouds(20, 1))
    same = Predictor(nn.Identity(), None, TWO)
    assert Representation(projection="none").project(same, loaders, "test", lambda: same) is None


def test_umap_is_refused_where_it_is_not_installed(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(projection_2d, "find_spec", lambda name: None)
    with pytest.raises(
        UserError,
        match=r"evaluate\.projection=umap needs the package umap-learn, which is not installed; run "
        r"pip install 'harness\[umap\]', or use evaluate\.projection=pca\.",
    ):
        Representation(projection="umap")


def test_umap_learns_from_training_rows_and_is_the_same_each_time(make_loaders, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """A stand-in for umap-learn, which compiles for half a minute; it keeps its arguments."""
    calls: list[SimpleNamespace] = []

    class UMAP:
        def __init__(self, **options: object) -> None:
            self.call = SimpleNamespace(options=options)
            calls.append(self.call)

        def fit(self, bank: np.ndarray) -> None:
            self.call.bank = bank

        def transform(self, queries: np.ndarray) -> np.ndarray:
            return queries[:, :2].astype(np.float32)

    module = ModuleType("umap")
    module.UMAP = UMAP  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "umap", module)
    monkeypatch.setattr(projection_2d, "find_spec", lambda name: module)
    loaders = make_loaders(TWO, clouds(8, 0), test=clouds(20, 1))
    same = Predictor(nn.Identity(), None, TWO)
    found = Representation(projection="umap").project(same, loaders, "test", lambda: same)
    assert found is not None
    assert found.method == "umap"
    assert [panel.shares for panel in found.panels] == [None] * 3
    assert found.panels[0].points.dtype == np.float64
    assert [call.bank.shape for call in calls] == [(8, 3)] * 3
    assert all(call.options["random_state"] == 0 for call in calls)
    assert all(call.options["n_neighbors"] == 7 for call in calls)  # no more than there are others
