"""A multilayer perceptron: the plain choice for a table of features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from torch import Tensor, nn

from harness.model.category_vectors import category_vectors, embedded, embedded_width, numbers_of
from harness.model.numeric_embedding import Numeric, embedding_of
from harness.model.option_checks import check_share, check_widths
from harness.model.pretrained_weights import load

_ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh}
_NORMS = {"none": nn.Identity, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


class MLP(nn.Module):
    """Linear, norm, activation, dropout for each of `widths`; images and sequences are flattened.

    (B, *shape) -> (B, widths[-1]). `numeric` embeds each number before the first layer, and each code of a
    category becomes a learned vector of `category_width`.

    Raises:
        ValueError: no widths, a width below 1, or a dropout outside [0, 1).
    """

    takes: ClassVar[tuple[str, ...]] = ("row", "image", "sequence")

    def __init__(
        self,
        shape: tuple[int, ...],
        codes: Sequence[int] = (),
        *,
        widths: list[int],
        dropout: float,
        norm: Literal["none", "batch", "layer"],
        activation: Literal["relu", "gelu", "silu", "tanh"],
        numeric: Numeric | Literal["auto"] | None = None,
        category_width: int = 8,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        check_widths(widths)
        check_share("dropout", dropout)
        features = 1
        for side in shape:
            features *= side
        self.category = category_vectors(codes, category_width)
        self.numeric = embedding_of(numeric, features - len(codes))
        features = embedded_width(features - len(codes), self.numeric, self.category)
        self.layers = nn.Sequential()
        for width in widths:
            self.layers.append(nn.Linear(features, width))
            self.layers.append(_NORMS[norm](width))
            self.layers.append(_ACTIVATIONS[activation]())
            self.layers.append(nn.Dropout(dropout))
            features = width
        self.width = features
        if weights is not None:
            load(self, weights)

    def fit_inputs(self, inputs: Tensor) -> None:
        """Fits the embedding of numbers to the training rows, (n, *shape)."""
        if self.numeric is not None:
            self.numeric.fit_inputs(numbers_of(inputs.flatten(1), self.category))

    def forward(self, inputs: Tensor) -> Tensor:
        values = embedded(inputs.flatten(1), self.numeric, self.category)
        for layer in self.layers:
            if not _changes_nothing(layer):  # a call of a layer takes as long as a small product
                values = layer(values)
        return values


def _changes_nothing(layer: nn.Module) -> bool:
    return type(layer) is nn.Identity or (type(layer) is nn.Dropout and layer.p == 0)
