"""harness/model/realmlp.py"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from harness.model.numeric_embedding import PBLDEmbedding
from harness.model.realmlp import RealMLP

RATES: dict[str, Any] = {"scale_rate": 6.0, "bias_rate": 0.1, "activation_rate": 0.1}
PLAIN: dict[str, Any] = {"widths": [16, 8], "dropout": 0.15, "activation": "mish", **RATES}


def rows() -> torch.Tensor:
    return 5 * torch.randn(300, 5, generator=torch.Generator().manual_seed(1)) + 2


def test_it_starts_with_outputs_of_deviation_1_and_kinks_among_the_rows() -> None:
    torch.manual_seed(0)
    model = RealMLP((5,), **PLAIN).eval()
    model.fit_inputs(rows())
    values = rows()  # the scale of the columns starts at 1
    for layer in model.layers:
        made = values @ layer.weight.T / values.shape[1] ** 0.5
        torch.testing.assert_close(made.std(dim=0, correction=0), torch.ones(made.shape[1]))
        kinks = -0.1 * layer.bias
        assert (made.min(dim=0).values < kinks).all()
        assert (kinks < made.max(dim=0).values).all()
        values = torch.nn.functional.mish(made + 0.1 * layer.bias)
    torch.testing.assert_close(model(rows()), values)


def test_rates_of_its_own_are_those_of_scaled_parameters() -> None:
    """One step of Adam moves each parameter as written in the forward pass by its share of the rate."""
    torch.manual_seed(0)
    model = RealMLP((5,), **PLAIN).eval()
    model.fit_inputs(rows())
    layer = model.layers[0]

    def moved() -> list[torch.Tensor]:
        return [6.0 * model.scale, 0.1 * layer.bias, 0.1 * layer.share, 1.0 * layer.weight]

    before = [value.detach().clone() for value in moved()]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, eps=0.0)
    model(rows()).square().sum().backward()
    optimizer.step()
    for old, new, share in zip(before, moved(), (6.0, 0.1, 0.1, 1.0), strict=True):
        torch.testing.assert_close(
            (new - old).abs(), torch.full_like(old, 0.01 * share), rtol=1e-3, atol=1e-6
        )


def test_the_authors_package_gives_the_same_with_the_same_weights() -> None:
    pytest.importorskip("pytabkit")
    from pytabkit.models.nn_models import base
    from pytabkit.models.nn_models.activations import ParametricActivationLayer, mish
    from pytabkit.models.nn_models.nn import PLREmbeddingsLayerCosBias

    def given(values: torch.Tensor) -> Any:
        return base.Variable(values.detach())

    torch.manual_seed(0)
    embed = partial(PBLDEmbedding, width=4, frequencies=16, scale=0.1, rate=0.1)
    own = RealMLP((5,), **PLAIN, numeric=embed).eval()
    own.fit_inputs(rows())
    for parameter in own.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    numeric = own.numeric
    values = PLREmbeddingsLayerCosBias(
        fitter=None,
        weight_1=given(0.1 * numeric.frequency[:, None]),
        bias_1=given(0.1 * numeric.phase[:, None]),
        weight_2=given(0.1 * numeric.linear.weight),
        bias_2=given(0.1 * numeric.linear.bias[:, None]),
        plr_act_name="linear",
        plr_use_densenet=True,
    ).forward_cont(rows())
    places = torch.arange(20).reshape(5, 4)  # theirs: the waves of all columns, then their numbers
    order = torch.cat([places[:, :3].flatten(), places[:, 3]])
    values = base.ScaleLayer(given(6.0 * own.scale[order][None])).forward_cont(values)
    for place, layer in enumerate(own.layers):
        weight = layer.weight[:, order] if place == 0 else layer.weight
        values = base.WeightLayer(given(weight.T), factor=layer.gain).forward_cont(values)
        values = base.BiasLayer(given(0.1 * layer.bias[None]), factor=1.0).forward_cont(values)
        values = ParametricActivationLayer(mish, given(0.1 * layer.share[None])).forward_cont(values)
    torch.testing.assert_close(own(rows()), values, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["scale_rate", "bias_rate", "activation_rate"])
def test_a_rate_is_above_0(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be above 0"):
        RealMLP((5,), **{**PLAIN, name: 0.0})
