"""Values of the parts: known results of small cases."""

import pytest
import torch
from own_project.data import Moons
from own_project.model import Residual


def test_without_noise_every_point_lies_on_a_circle_of_radius_1() -> None:
    frame = Moons(rows=40, noise=0.0, seed=0)().frame
    upper, lower = frame[frame.moon == "upper"], frame[frame.moon == "lower"]
    assert (len(upper), len(lower)) == (20, 20)
    assert (upper.x**2 + upper.y**2).to_numpy() == pytest.approx(1.0)
    assert ((lower.x - 1) ** 2 + (lower.y - 0.5) ** 2).to_numpy() == pytest.approx(1.0)


def test_a_block_whose_last_layer_is_zero_changes_nothing() -> None:
    model = Residual((2,), width=3, blocks=1)
    torch.nn.init.zeros_(model.blocks[0][-1].weight)
    torch.nn.init.zeros_(model.blocks[0][-1].bias)
    inputs = torch.tensor([[1.0, -2.0]])
    assert torch.equal(model(inputs), model.enter(inputs))


def test_a_model_of_no_width_is_refused() -> None:
    with pytest.raises(ValueError, match="must be at least 1, got 0 and 2"):
        Residual((2,), width=0, blocks=2)
