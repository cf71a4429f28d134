"""harness/model/numeric_embedding.py, harness/model/piecewise_linear.py"""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from harness.core.errors import UserError
from harness.model.mlp import MLP
from harness.model.numeric_embedding import LinearEmbedding, PBLDEmbedding, PeriodicEmbedding
from harness.model.piecewise_linear import PiecewiseLinearEmbedding

WAVES = {"width": 3, "frequencies": 4, "scale": 0.1}
MAKERS: dict[str, Any] = {
    "linear": partial(LinearEmbedding, width=3, activation=True),
    "periodic": partial(PeriodicEmbedding, **WAVES, shared=False, activation=True),
    "pbld": partial(PBLDEmbedding, **WAVES, rate=0.1),
    "piecewise_linear": partial(PiecewiseLinearEmbedding, width=3, bins=4, activation=False),
}


def table() -> torch.Tensor:
    """40 rows: a number, an indicator, a constant, a number."""
    random = torch.Generator().manual_seed(0)
    numbers = torch.randn(40, 4, generator=random)
    numbers[:, 1] = (numbers[:, 1] > 0).float()
    numbers[:, 2] = 7
    return numbers


@pytest.mark.parametrize("choice", MAKERS)
def test_columns_of_two_values_or_fewer_are_left_as_they_are(choice: str) -> None:
    embedding = MAKERS[choice](4)
    embedding.fit_inputs(table())
    assert embedding.numbers[:, 0].tolist() == [True, False, False, True]
    vectors = embedding.vectors(table())
    assert vectors.shape == (40, 4, 3)
    assert torch.equal(vectors[:, 1:3, 0], table()[:, 1:3])
    assert not vectors[:, 1:3, 1:].any()
    assert torch.equal(embedding(table()), vectors.flatten(1))


@pytest.mark.parametrize("choice", MAKERS)
def test_a_table_without_numbers_is_refused(choice: str) -> None:
    with pytest.raises(UserError) as caught:
        MAKERS[choice](2).fit_inputs(table()[:, 1:3])
    assert caught.value.key == "model.numeric"
    assert "model/numeric=none" in str(caught.value)


def test_the_encoding_is_the_share_of_each_bin_that_lies_below() -> None:
    embedding = PiecewiseLinearEmbedding(1, width=2, bins=4, activation=False)
    embedding.fit_inputs(torch.tensor([[0.0], [1.0], [2.0], [4.0], [8.0]]))
    encoded = embedding.encode(torch.tensor([[[-1.0]], [[1.5]], [[3.0]], [[6.0]], [[10.0]]])).squeeze(1)
    expected = [[-1, 0, 0, 0], [1, 0.5, 0, 0], [1, 1, 0.5, 0], [1, 1, 1, 0.5], [1, 1, 1, 1.5]]
    torch.testing.assert_close(encoded, torch.tensor(expected))


def test_equal_quantiles_are_one_edge_and_leave_places_unused() -> None:
    embedding = PiecewiseLinearEmbedding(1, width=2, bins=4, activation=False)
    embedding.fit_inputs(torch.tensor([[0.0]] * 8 + [[1.0]] * 8 + [[3.0]]))
    assert embedding.slope.tolist() == [[1.0, 0.0, 0.0, 0.5]]


def test_pbld_is_waves_with_a_phase_and_the_number_itself() -> None:
    torch.manual_seed(0)
    embedding = MAKERS["pbld"](2)
    row = torch.tensor([[0.3, -1.2]])
    made = embedding.vectors(row)[0]
    for column in range(2):
        waves = torch.stack(
            [
                torch.cos(2 * math.pi * 0.1 * c * row[0, column] + 0.1 * b)
                for c, b in zip(embedding.frequency[column], embedding.phase[column], strict=True)
            ]
        )
        linear = 0.1 * (waves @ embedding.linear.weight[column] + embedding.linear.bias[column])
        torch.testing.assert_close(made[column], torch.cat([linear, row[0, column : column + 1]]))
    assert (0.1 * embedding.phase).abs().max() <= math.pi


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: LinearEmbedding(2, width=0, activation=True), "width must be at least 1"),
        (lambda: PBLDEmbedding(2, width=1, frequencies=4, scale=0.1, rate=0.1), "width must be at least 2"),
        (lambda: PBLDEmbedding(2, width=4, frequencies=0, scale=0.1, rate=0.1), "frequencies"),
        (lambda: PBLDEmbedding(2, width=4, frequencies=4, scale=0.0, rate=0.1), "scale"),
        (lambda: PBLDEmbedding(2, width=4, frequencies=4, scale=0.1, rate=0.0), "rate"),
        (lambda: PiecewiseLinearEmbedding(2, width=4, bins=1, activation=False), "bins must be at least 2"),
    ],
)
def test_options_out_of_range(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def test_an_embedding_multiplies_the_inputs_of_the_first_layer() -> None:
    plain: dict[str, Any] = {"widths": [5], "dropout": 0.0, "norm": "none", "activation": "relu"}
    model = MLP((4,), **plain, numeric=MAKERS["linear"])
    assert model.layers[0].in_features == 12
    embedded = MAKERS["linear"](4)
    embedded.load_state_dict(model.numeric.state_dict())
    assert torch.equal(model(table()), model.layers(embedded(table())))


@pytest.mark.parametrize("words", [("model/numeric=periodic",), ("model=realmlp", "model/numeric=linear")])
def test_an_embedding_is_one_word_also_where_the_model_is_chosen_by_the_data(run_cli, words) -> None:
    answer = run_cli("data/extract=iris", *words, "trainer.epochs=1", "tracking=none", "report=false")
    assert answer.status == 0, answer.err


@pytest.fixture
def categories(here: Path) -> list[str]:
    """The words of a table of categories alone."""
    lines = [f"{'ab'[row % 2]},{'xy'[row // 2 % 2]},{row % 3}" for row in range(60)]
    (here / "rows.csv").write_text("\n".join(["one,two,target", *lines]))
    return ["data/extract=csv", "data.extract.path=rows.csv", "data.extract.target=target"]


def test_a_table_of_categories_alone_is_refused_before_any_work(run_cli, here, categories) -> None:
    answer = run_cli(*categories, "model/numeric=pbld")
    assert answer.status == 2
    assert "an embedding of numbers needs a column of numbers" in answer.err
    assert not (here / "outputs" / "runs").exists()


def test_a_model_with_an_embedding_of_its_own_takes_categories_alone(run_cli, here, categories) -> None:
    words = ["model=realmlp", "trainer.epochs=1", "tracking=none", "report=false"]
    answer = run_cli(*categories, *words)
    assert answer.status == 0, answer.err
    (stored,) = (here / "outputs/runs").glob("*/config.yaml")
    assert OmegaConf.load(stored).model.numeric is None
