"""Every yaml of conf/model keeps the contract of `harness.model`."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import torch
import typeguard
import yaml
from torch import Tensor, nn

CONF = Path(__file__).parents[2] / "conf" / "model"
NODES = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(CONF.glob("*.yaml"))}
CHOICES = [name for name, node in NODES.items() if "_target_" in node]
SHAPES = {
    "row": [(1,), (30,)],
    "image": [(1, 8, 8), (3, 32, 32), (2, 5, 7)],
    "sequence": [(1, 1), (12, 3)],
}


def find(choice: str) -> type[nn.Module]:
    module, _, name = NODES[choice]["_target_"].rpartition(".")
    found: type[nn.Module] = getattr(import_module(module), name)
    return found


def options(choice: str) -> dict[str, Any]:
    return {key: value for key, value in NODES[choice].items() if not key.startswith("_")}


def build(choice: str, shape: tuple[int, ...]) -> nn.Module:
    torch.manual_seed(0)
    return find(choice)(shape, **options(choice))


def sample(shape: tuple[int, ...], rows: int = 4) -> Tensor:
    return torch.randn(rows, *shape, generator=torch.Generator().manual_seed(1))


CASES = [
    pytest.param(choice, shape, id=f"{choice}-{'x'.join(map(str, shape))}")
    for choice in CHOICES
    if choice != "timm"
    for rank in find(choice).takes
    for shape in SHAPES[rank]
]


def test_the_seven_choices_are_there() -> None:
    assert set(CHOICES) >= {"mlp", "convnet", "resnet18", "resnet50", "vit", "transformer", "timm"}


@pytest.mark.parametrize("choice", CHOICES)
def test_a_yaml_is_partial_and_lists_every_argument_with_a_value_of_its_type(choice: str) -> None:
    parameters = inspect.signature(find(choice)).parameters
    keywords = {name for name, each in parameters.items() if each.kind is each.KEYWORD_ONLY}
    assert NODES[choice]["_partial_"] is True
    assert keywords == set(options(choice))
    hints = get_type_hints(find(choice).__init__)
    for name, value in options(choice).items():
        typeguard.check_type(value, hints[name])


@pytest.mark.parametrize("choice", CHOICES)
def test_a_yaml_starts_with_a_description_and_the_command_that_runs_it(choice: str) -> None:
    description, command, *_ = (CONF / f"{choice}.yaml").read_text().splitlines()
    assert description.startswith("# ")
    assert command.startswith("# python -m harness ")
    assert f"model={choice}" in command


@pytest.mark.parametrize("choice", CHOICES)
def test_a_model_takes_the_shape_and_weights_but_no_number_of_classes(choice: str) -> None:
    names = list(inspect.signature(find(choice)).parameters)
    assert names[0] == "shape"
    assert names[-1] == "weights"
    assert not {"classes", "num_classes", "outputs", "labels", "targets"} & set(names)
    assert set(find(choice).takes) <= {"row", "image", "sequence"}


@pytest.mark.parametrize(("choice", "shape"), CASES)
def test_the_representation_is_finite_has_the_width_and_is_the_same_each_time(
    choice: str, shape: tuple[int, ...]
) -> None:
    model, inputs = build(choice, shape).eval(), sample(shape)
    with torch.no_grad():
        first, second, alone = model(inputs), model(inputs), model(inputs[:1])
    assert first.shape == (4, model.width)
    assert first.dtype == torch.float32
    assert first.isfinite().all()
    assert torch.equal(first, second)
    # Two threads add up a convolution in another order than one: ResNet-50 then differs by 1.3e-5.
    torch.testing.assert_close(alone, first[:1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("choice", "shape"), CASES)
def test_the_gradient_reaches_every_parameter(choice: str, shape: tuple[int, ...]) -> None:
    model = build(choice, shape).train()
    representation = model(sample(shape))
    # Random directions: the plain sum is constant behind a normalisation and has no gradient.
    (representation * torch.randn_like(representation)).sum().backward()
    without = [name for name, each in model.named_parameters() if each.grad is None or not each.grad.any()]
    assert without == []


@pytest.mark.parametrize(("choice", "shape"), CASES)
def test_a_state_dict_carries_the_whole_model(choice: str, shape: tuple[int, ...]) -> None:
    trained = build(choice, shape)
    trained.train()(sample(shape))  # moves the running statistics
    torch.manual_seed(1)
    fresh = find(choice)(shape, **options(choice))
    fresh.load_state_dict(trained.state_dict())
    with torch.no_grad():
        assert torch.equal(fresh.eval()(sample(shape)), trained.eval()(sample(shape)))


@pytest.mark.parametrize(
    ("choice", "shape"),
    [
        ("mlp", (30,)),
        ("convnet", (1, 8, 8)),
        ("resnet18", (1, 8, 8)),
        ("vit", (1, 8, 8)),
        ("transformer", (30,)),
        ("transformer", (12, 3)),
    ],
)
def test_an_exported_model_takes_batches_of_any_size(choice: str, shape: tuple[int, ...]) -> None:
    model = build(choice, shape).eval()
    batch = torch.export.Dim("batch")
    exported = torch.export.export(model, (sample(shape),), dynamic_shapes=({0: batch},)).module()
    torch.testing.assert_close(exported(sample(shape, rows=3)), model(sample(shape, rows=3)))
