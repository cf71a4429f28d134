from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness.core.errors import UserError
from harness.core.predictor import Predictor
from harness.core.task import Task
from harness.deploy.export import onnx, pt2
from harness.deploy.export.check_export import largest, repeated
from harness.deploy.export.feature_input import Features
from harness.deploy.export.model_graph import Graph
from harness.model import resnet
from harness.model.resnet import ResNet
from harness.model.transformer import Transformer
from harness.model.vit import ViT

pytestmark = pytest.mark.slow

CLASSES = Task("multiclass", ("a", "b", "c"))
ENCODER: dict[str, Any] = {"width": 8, "depth": 1, "heads": 2, "mlp_ratio": 2, "dropout": 0.1}


def _graph(model: Any, shape: tuple[int, ...], task: Task = CLASSES) -> tuple[Graph, dict[str, np.ndarray]]:
    torch.manual_seed(0)
    untouched: Any = None
    head = nn.Linear(model.width, 3)
    graph = Graph(Features(untouched, shape, "a test"), Predictor(model, head, task)).requires_grad_(False)
    rng = np.random.default_rng(0)
    return graph, {"features": rng.normal(size=(3, *shape)).astype(np.float32)}


MODELS = {
    "resnet": (
        (3, 16, 16),
        lambda s: ResNet(s, block="bottleneck", layers=[1, 1, 1, 1], stem="small", zero_init_residual=False),
    ),
    "row transformer": ((5,), lambda s: Transformer(s, **ENCODER, position="learned", pooling="cls")),
    "sequence transformer": ((6, 5), lambda s: Transformer(s, **ENCODER, position="sincos", pooling="mean")),
    "vit": ((1, 8, 8), lambda s: ViT(s, patch=4, **ENCODER, position="learned", pooling="cls")),
}


@pytest.mark.parametrize(("name", "format"), [*((name, onnx) for name in MODELS), ("vit", pt2)])
def test_an_architecture_gives_the_same_exported_for_any_number_of_rows(
    name: str, format: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resnet, "_PLANES", 8)  # instead of 24 million weights
    shape, build = MODELS[name]
    graph, given = _graph(build(shape), shape)
    path = tmp_path / "model"
    format.write(graph, given, graph.outputs, path)
    for size in (1, 2, 7):
        part = repeated(given, size)
        wanted = graph(torch.from_numpy(part["features"]))
        found = format.run(path, part)
        assert [values.shape[0] for values in found] == [size] * 3
        assert max(map(largest, found, (one.numpy() for one in wanted))) < 1e-5


class Bessel(nn.Module):
    width = 5

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.special.bessel_j0(inputs)


class Branching(nn.Module):
    width = 5

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs if inputs.sum() > 0 else -inputs


def test_an_operator_that_onnx_lacks_is_named(tmp_path: Path) -> None:
    graph, given = _graph(Bessel(), (5,))
    with pytest.raises(
        UserError, match=r"it has no operator for prims\.bessel_j0; export it with --format pt2\."
    ):
        onnx.write(graph, given, graph.outputs, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
    pt2.write(graph, given, graph.outputs, tmp_path / "model.pt2")
    assert (tmp_path / "model.pt2").exists()


def test_a_model_that_branches_on_its_values_is_refused(tmp_path: Path) -> None:
    graph, given = _graph(Branching(), (5,))
    with pytest.raises(
        UserError, match=r"the model must do the same for any rows .*; export it with --format safetensors\."
    ):
        pt2.write(graph, given, graph.outputs, tmp_path / "model.pt2")
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_reported_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(onnx, "import_module", absent)
    with pytest.raises(UserError, match=r"and onnx cannot be imported .*pip install 'harness\[onnx\]'\."):
        onnx.require()


def test_the_largest_difference_is_relative_to_large_values() -> None:
    assert largest(np.array([1.0, 2.5]), np.array([1.0, 2.0])) == 0.25
    assert largest(np.array([0.1]), np.array([0.2])) == pytest.approx(0.1)
    assert largest(np.array([1e9 + 1.0]), np.array([1e9]), np.array(2.0)) == 0.5
    assert np.isnan(largest(np.zeros(2), np.zeros(3)))
    assert np.isnan(largest(np.array([np.nan]), np.zeros(1)))
