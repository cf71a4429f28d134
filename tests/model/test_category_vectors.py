"""harness/model/category_vectors.py, and the models that learn vectors of categories"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from harness.core.code_columns import one_hot
from harness.model.category_vectors import CategoryVectors
from harness.model.ft_transformer import FTTransformer
from harness.model.mlp import MLP
from harness.model.numeric_embedding import LinearEmbedding
from harness.model.piecewise_linear import PiecewiseLinearEmbedding
from harness.model.realmlp import RealMLP
from harness.model.tabm import TabM

CODES = (4, 12)
WIDTHS: dict[str, Any] = {"widths": [6], "dropout": 0.0}
RATES = {"scale_rate": 6.0, "bias_rate": 0.1, "activation_rate": 0.1, "activation": "selu"}
TOKENS: dict[str, Any] = {"width": 8, "depth": 1, "heads": 2, "mlp_ratio": 1.0}
SHARES = {"attention_dropout": 0.0, "mlp_dropout": 0.0, "residual_dropout": 0.0}
MAKERS: dict[str, Callable[..., Any]] = {
    "mlp": partial(MLP, **WIDTHS, norm="none", activation="relu"),
    "realmlp": partial(RealMLP, **WIDTHS, **RATES),
    "tabm": partial(TabM, **WIDTHS, members=3),
    "ft_transformer": partial(FTTransformer, **TOKENS, **SHARES),
}


def rows(count: int = 20, seed: int = 0) -> Tensor:
    """Three numbers, then a code for each of `CODES`."""
    random = torch.Generator().manual_seed(seed)
    codes = [torch.randint(most, (count, 1), generator=random) for most in CODES]
    return torch.cat([torch.randn(count, 3, generator=random), *codes], dim=1)


def test_a_vector_is_a_row_of_the_table_as_a_product_with_the_one_hot_code() -> None:
    vectors = CategoryVectors(CODES, 5)
    numbers, made = vectors.split(rows())
    assert torch.equal(numbers, rows()[:, :3])
    hot = one_hot(rows(), CODES)[:, 3:]
    parts = [hot[:, :4] @ vectors.table[:4], hot[:, 4:] @ vectors.table[4:]]
    torch.testing.assert_close(made, torch.stack(parts, dim=1))
    assert not vectors.table[[0, 4]].any()  # unknown values begin at the mean
    assert vectors.table[5:].std().item() == pytest.approx(1, abs=0.3)


@pytest.mark.parametrize("choice", MAKERS)
def test_a_code_changes_what_its_own_vector_learns_and_no_other(choice: str) -> None:
    torch.manual_seed(0)
    model = MAKERS[choice]((5,), CODES)
    assert model(rows()).shape == (20, model.width)
    inputs = rows(2)
    inputs[:, 3:] = torch.tensor([[1.0, 2.0], [3.0, 2.0]])
    (model(inputs) * torch.randn(2, model.width)).sum().backward()
    moved = model.category.table.grad.abs().sum(dim=1).nonzero().flatten().tolist()
    assert moved == [1, 3, 4 + 2]
    changed = inputs.clone()
    changed[:, 4] = 7
    assert not torch.equal(model.eval()(inputs), model(changed))


@pytest.mark.parametrize("choice", MAKERS)
def test_bins_and_initial_weights_follow_from_the_numbers_not_from_codes(choice: str) -> None:
    numeric = partial(PiecewiseLinearEmbedding, bins=3, activation=False)
    if choice != "ft_transformer":
        numeric = partial(numeric, width=2)
    model = MAKERS[choice]((5,), CODES, numeric=numeric)
    model.fit_inputs(rows(60))
    assert model.numeric.numbers.flatten().tolist() == [True] * 3
    assert model(rows()).isfinite().all()


@pytest.mark.parametrize("choice", MAKERS)
def test_a_model_without_codes_is_what_it_was(choice: str) -> None:
    torch.manual_seed(0)
    plain = MAKERS[choice]((5,))
    torch.manual_seed(0)
    given = MAKERS[choice]((5,), (), **({} if choice == "ft_transformer" else {"category_width": 3}))
    assert plain.category is None
    assert [name for name in plain.state_dict() if "category" in name] == []
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), given.parameters(), strict=True))


@pytest.mark.parametrize("choice", MAKERS)
def test_a_row_of_codes_alone_is_taken(choice: str) -> None:
    model = MAKERS[choice]((2,), CODES)
    assert model(rows()[:, 3:]).isfinite().all()


@pytest.mark.parametrize("choice", ["mlp", "realmlp", "tabm"])
def test_several_models_are_computed_as_one(choice: str) -> None:
    torch.manual_seed(0)
    models = [MAKERS[choice]((5,), CODES).eval() for _ in range(3)]
    stacked, buffers = stack_module_state(models)  # type: ignore[arg-type]  # any sequence of modules
    inputs = torch.stack([rows(seed=seed) for seed in range(3)])

    def forward(weights: Any, held: Any, batch: Tensor) -> Tensor:
        made: Tensor = functional_call(models[0], (weights, held), (batch,))
        return made

    together = vmap(forward)(stacked, buffers, inputs)
    for one, model, batch in zip(together, models, inputs, strict=True):
        torch.testing.assert_close(one, model(batch))


@pytest.mark.parametrize("choice", MAKERS)
def test_an_exported_model_takes_batches_of_any_size(choice: str) -> None:
    numeric = None if choice == "ft_transformer" else partial(LinearEmbedding, width=2, activation=True)
    model = MAKERS[choice]((5,), CODES, numeric=numeric).eval()
    batch = {0: torch.export.Dim("batch")}
    program = torch.export.export(model, (rows(4),), dynamic_shapes=(batch,)).module()
    torch.testing.assert_close(program(rows(7)), model(rows(7)))


@pytest.mark.parametrize("codes", [(), CODES])
@pytest.mark.parametrize("choice", ["mlp", "realmlp", "tabm"])
def test_a_width_below_1_is_refused(choice: str, codes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"^category_width must be at least 1, got 0$"):
        MAKERS[choice]((5,), codes, category_width=0)


def test_vectors_of_another_width_are_learned() -> None:
    model = MAKERS["mlp"]((5,), CODES, category_width=3)
    assert model.category.table.shape == (16, 3)
    linear = model.layers[0]
    assert isinstance(linear, nn.Linear)
    assert linear.in_features == 3 + 2 * 3
