"""Contract of models: see `harness.model`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, get_type_hints

import pytest
import torch
import typeguard
from torch import Tensor, nn

from harness.config.instantiate import target
from harness.testing.suite_choices import Suite

Shape = tuple[int, ...]

SHAPES: Mapping[str, Sequence[Shape]] = {
    "row": [(1,), (30,)],
    "image": [(1, 8, 8), (3, 32, 32), (2, 5, 7)],
    "sequence": [(1, 1), (12, 3)],
}
"""Of each form of sample, the shapes of some; the smallest there can be is among them."""


class TestModels(Suite):
    """Every yaml of `model`.

    unbuilt  choices that are not built, because they need what is not installed
    export   of each choice the shapes with which it is exported; None: the larger one of each form it takes
    """

    group: ClassVar[str] = "model"
    unbuilt: ClassVar[frozenset[str]] = frozenset()
    export: ClassVar[Mapping[str, Sequence[Shape]] | None] = None

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Each choice with each shape that it takes."""
        if not {"shape", "exported"} & set(metafunc.fixturenames):
            super().pytest_generate_tests(metafunc)
            return
        self.locate(metafunc.config)
        name = "shape" if "shape" in metafunc.fixturenames else "exported"
        shapes = {choice: self.shapes(choice) for choice in self.cases() if choice not in self.unbuilt}
        if name == "exported":
            shapes = dict(self.export or {choice: sizes[1:2] for choice, sizes in shapes.items()})
        cases = [
            pytest.param(choice, shape, id=f"{choice}-{'x'.join(map(str, shape))}")
            for choice, sizes in shapes.items()
            for shape in sizes
        ]
        metafunc.parametrize(("choice", name), cases)

    @classmethod
    def shapes(cls, choice: str) -> Sequence[Shape]:
        """Those of the forms that the class says it takes; of all forms, where it does not say."""
        forms = getattr(cls.part(choice), "takes", tuple(SHAPES))
        return [shape for form in forms for shape in SHAPES[form]]

    @classmethod
    def part(cls, choice: str) -> Any:
        """The class that the yaml names."""
        return target(cls.node(choice), "model")

    @classmethod
    def options(cls, choice: str) -> dict[str, Any]:
        """Its arguments by name; those that the yaml takes from a group below its own are built."""
        own = {key: value for key, value in cls.node(choice).items() if not key.startswith("_")}
        return {**own, **cls.below(choice)}

    @classmethod
    def model(cls, choice: str, shape: Shape, seed: int = 0) -> nn.Module:
        """A fresh one for samples of this shape."""
        torch.manual_seed(seed)
        made: nn.Module = cls.part(choice)(shape, **cls.options(choice))
        return made

    def test_a_yaml_is_partial_and_lists_every_argument_with_a_value_of_its_type(self, choice: str) -> None:
        parameters = inspect.signature(self.part(choice)).parameters
        keywords = {name for name, each in parameters.items() if each.kind is each.KEYWORD_ONLY}
        options = self.options(choice)
        assert self.node(choice).get("_partial_") is True, "the yaml of a model needs _partial_: true"
        assert keywords == set(options), "the yaml must list every keyword argument of the model"
        hints = get_type_hints(self.part(choice).__init__)
        for name, value in options.items():
            typeguard.check_type(value, hints[name])

    def test_what_is_fitted_to_the_training_rows_is_in_the_state(self, choice: str, shape: Shape) -> None:
        trained, fresh = self.model(choice, shape), self.model(choice, shape, seed=1)
        fit: Any = getattr(trained, "fit_inputs", None)
        if fit is None:
            return
        fit(3 * sample(shape, rows=64) + 1)
        fresh.load_state_dict(trained.state_dict())
        with torch.no_grad():
            made = trained.eval()(sample(shape))
            assert made.isfinite().all(), "the representation is not finite after fit_inputs"
            assert torch.equal(fresh.eval()(sample(shape)), made)

    def test_members_divide_the_representation(self, choice: str, shape: Shape) -> None:
        model: Any = self.model(choice, shape)
        assert int(model.width) % int(getattr(model, "members", 1)) == 0

    def test_a_model_takes_the_shape_but_no_number_of_classes(self, choice: str) -> None:
        names = list(inspect.signature(self.part(choice)).parameters)
        assert names[0] == "shape", "the first argument of a model must be `shape`"
        assert not {"classes", "num_classes", "outputs", "labels", "targets"} & set(names)
        assert set(getattr(self.part(choice), "takes", ())) <= SHAPES.keys()

    def test_the_representation_is_finite_has_the_width_and_is_the_same_each_time(
        self, choice: str, shape: Shape
    ) -> None:
        model, inputs = self.model(choice, shape).eval(), sample(shape)
        with torch.no_grad():
            first, second, alone = model(inputs), model(inputs), model(inputs[:1])
        assert first.shape == (4, model.width), f"a batch of 4 gave {tuple(first.shape)}, not (4, width)"
        assert first.dtype == torch.float32, f"the representation must be float32, not {first.dtype}"
        assert first.isfinite().all(), "the representation is not finite"
        assert torch.equal(first, second), "in evaluation mode, the same inputs gave another representation"
        # Two threads add up a convolution in another order than one: ResNet-50 then differs by 1.3e-5.
        torch.testing.assert_close(alone, first[:1], rtol=1e-4, atol=1e-4)

    def test_the_gradient_reaches_every_parameter(self, choice: str, shape: Shape) -> None:
        model = self.model(choice, shape).train()
        representation = model(sample(shape))
        # Random directions: the plain sum is constant behind a normalisation and has no gradient.
        (representation * torch.randn_like(representation)).sum().backward()
        without = [
            name for name, each in model.named_parameters() if each.grad is None or not each.grad.any()
        ]
        assert without == [], f"no gradient reaches {without}"

    def test_a_state_dict_carries_the_whole_model(self, choice: str, shape: Shape) -> None:
        trained = self.model(choice, shape)
        trained.train()(sample(shape))  # moves the running statistics
        fresh = self.model(choice, shape, seed=1)
        fresh.load_state_dict(trained.state_dict())
        with torch.no_grad():
            assert torch.equal(fresh.eval()(sample(shape)), trained.eval()(sample(shape)))

    def test_an_exported_model_takes_batches_of_any_size(self, choice: str, exported: Shape) -> None:
        model = self.model(choice, exported).eval()
        batch = torch.export.Dim("batch")
        program = torch.export.export(model, (sample(exported),), dynamic_shapes=({0: batch},)).module()
        torch.testing.assert_close(program(sample(exported, rows=3)), model(sample(exported, rows=3)))


def sample(shape: Shape, rows: int = 4) -> Tensor:
    """(rows, *shape) of standard normal numbers, always the same."""
    return torch.randn(rows, *shape, generator=torch.Generator().manual_seed(1))
