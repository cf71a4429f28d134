"""The models of tables give what their authors' packages give with the same weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.model.ft_transformer import FTTransformer
from harness.model.numeric_embedding import LinearEmbedding, NumericEmbedding, PeriodicEmbedding
from harness.model.piecewise_linear import PiecewiseLinearEmbedding
from harness.model.tabm import TabM

rtdl = pytest.importorskip("rtdl_num_embeddings")


def rows(count: int = 60, columns: int = 5) -> Tensor:
    return torch.randn(count, columns, generator=torch.Generator().manual_seed(3))


def filled(module: nn.Module, values: dict[str, Tensor]) -> None:
    """Loads weights by our names; every parameter must be among them."""
    assert dict(module.named_parameters()).keys() <= values.keys()
    module.load_state_dict(values, strict=False)


def affine(theirs: nn.Module) -> dict[str, Tensor]:
    return {"weight": theirs.weight.data, "bias": theirs.bias.data}


def linear(activation: bool) -> tuple[nn.Module, NumericEmbedding]:
    theirs = (rtdl.LinearReLUEmbeddings if activation else rtdl.LinearEmbeddings)(5, 6)
    own = LinearEmbedding(5, width=6, activation=activation)
    filled(own, affine(theirs.linear if activation else theirs))
    return theirs, own


def periodic(shared: bool) -> tuple[nn.Module, NumericEmbedding]:
    theirs = rtdl.PeriodicEmbeddings(5, 6, n_frequencies=7, frequency_init_scale=0.3, lite=shared)
    own = PeriodicEmbedding(5, width=6, frequencies=7, scale=0.3, shared=shared, activation=True)
    weights = {f"linear.{name}": value for name, value in theirs.linear.state_dict().items()}
    filled(own, {"frequency": theirs.periodic.weight.data, **weights})
    return theirs, own


def piecewise(bins: int) -> tuple[nn.Module, NumericEmbedding]:
    table = rows()
    table[:, 1] = table[:, 1].round()  # fewer quantiles than bins
    edges = rtdl.compute_bins(table, bins)
    theirs = rtdl.PiecewiseLinearEmbeddings(edges, 6, activation=True, version="B")
    nn.init.normal_(theirs.linear.weight)
    own = PiecewiseLinearEmbedding(5, width=6, bins=bins, activation=True)
    own.fit_inputs(table)
    filled(own, {**affine(theirs.linear0), "linear.weight": theirs.linear.weight.data})
    return theirs, own


@pytest.mark.parametrize(
    ("make", "option"),
    [(linear, True), (linear, False), (periodic, True), (periodic, False), (piecewise, 8), (piecewise, 2)],
)
def test_an_embedding_of_numbers(make: Any, option: Any) -> None:
    torch.manual_seed(0)
    theirs, own = make(option)
    table = torch.cat([rows(), 100 * rows(4)])  # beyond the training range as well
    torch.testing.assert_close(own.vectors(table), theirs(table), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("depth", "codes"), [(1, ()), (3, ()), (2, (4, 9))])
def test_ft_transformer(depth: int, codes: tuple[int, ...]) -> None:
    package = pytest.importorskip("rtdl_revisiting_models")
    torch.manual_seed(0)
    theirs = package.FTTransformer(
        n_cont_features=5,
        cat_cardinalities=[*codes],
        d_out=2,
        n_blocks=depth,
        d_block=16,
        attention_n_heads=4,
        attention_dropout=0.0,
        ffn_d_hidden_multiplier=4 / 3,
        ffn_dropout=0.0,
        residual_dropout=0.0,
    ).eval()
    own = FTTransformer(
        (5 + len(codes),),
        codes,
        width=16,
        depth=depth,
        heads=4,
        mlp_ratio=4 / 3,
        attention_dropout=0.0,
        mlp_dropout=0.0,
        residual_dropout=0.0,
    ).eval()
    for parameter in theirs.parameters():  # biases and norms start at 0 and 1, where a mistake may not show
        nn.init.normal_(parameter, std=0.3)
    weights = {"cls": theirs.cls_embedding.weight.data}
    weights |= {f"tokens.{name}": value for name, value in affine(theirs.cont_embeddings).items()}
    if codes:
        tables = [each.weight.data for each in theirs.cat_embeddings.embeddings]
        weights |= {"category.table": torch.cat(tables), "category.bias": theirs.cat_embeddings.bias.data}
    for place, block in enumerate(theirs.backbone.blocks):
        attention = block["attention"]
        for name in ("weight", "bias"):
            asked = [getattr(getattr(attention, each), name) for each in ("W_q", "W_k", "W_v")]
            weights[f"blocks.{place}.qkv.{name}"] = torch.cat(asked)
        parts = {"out": attention.W_out, "norm2": block["ffn_normalization"]}
        parts |= {"gates": block["ffn"].linear1, "back": block["ffn"].linear2}
        if place:
            parts["norm1"] = block["attention_normalization"]
        for part, module in parts.items():
            weights |= {f"blocks.{place}.{part}.{name}": value for name, value in affine(module).items()}
    weights |= {f"norm.{name}": value for name, value in affine(theirs.backbone.output.normalization).items()}
    filled(own, weights)
    known = torch.stack([torch.arange(60) % count for count in codes], dim=1) if codes else None
    given = rows() if known is None else torch.cat([rows(), known], dim=1)
    made = theirs.backbone.output.linear(own(given))
    torch.testing.assert_close(made, theirs(rows(), known), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("embedded", [False, True])
def test_tabm(embedded: bool) -> None:
    package = pytest.importorskip("tabm")
    torch.manual_seed(0)
    numeric = rtdl.PeriodicEmbeddings(5, 6, n_frequencies=7, lite=True) if embedded else None
    theirs = package.TabM(
        n_num_features=5,
        d_out=3,
        num_embeddings=numeric,
        n_blocks=2,
        d_block=16,
        dropout=0.0,
        k=4,
        arch_type="tabm",
        start_scaling_init="normal",
    ).eval()

    def embedding(columns: int) -> NumericEmbedding:
        return PeriodicEmbedding(columns, width=6, frequencies=7, scale=0.01, shared=True, activation=True)

    own = TabM((5,), members=4, widths=[16, 16], dropout=0.0, numeric=embedding if embedded else None).eval()
    weights: dict[str, Tensor] = {}
    if numeric is not None:
        weights["numeric.frequency"] = numeric.periodic.weight.data
        weights |= {f"numeric.linear.{name}": value for name, value in affine(numeric.linear).items()}
    for place, block in enumerate(theirs.backbone.blocks):
        layer = block[0]
        for name in ("r", "s", "bias"):
            nn.init.normal_(getattr(layer, name))
        weights |= {f"layers.{place}.{name}": value for name, value in affine(layer).items()}
        weights |= {f"layers.{place}.before": layer.r.data, f"layers.{place}.after": layer.s.data}
    filled(own, weights)
    made = own(rows()).unflatten(1, (4, -1))
    torch.testing.assert_close(theirs.output(made), theirs(rows()), rtol=1e-4, atol=1e-5)
