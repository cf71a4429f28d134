"""RealMLP: a perceptron with the details that make it strong on tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.model.category_vectors import category_vectors, embedded, embedded_width, numbers_of
from harness.model.numeric_embedding import Numeric, embedding_of
from harness.model.option_checks import check_share, check_widths
from harness.model.pretrained_weights import load

_ACTIVATIONS = {"selu": functional.selu, "mish": functional.mish, "relu": functional.relu}
_SIMPLEX = 5
_LEAST_DEVIATION = 1e-6
_ROWS_OF_START = 4096


class RealMLP(nn.Module):
    """(B, F) -> (B, widths[-1]).

    Holzmueller et al. 2024, "Better by Default" (arXiv 2407.04491), as in the authors' package `pytabkit`: a
    learned scale of each column, layers in NTK parametrisation, activations with a learned share, and initial
    weights that follow from the training rows (`fit_inputs`). Parameters have learning rates of their own, as
    shares of the trainer's: they are stored divided by them, which is the same for Adam. `own_embedding` is
    the choice of `model/numeric` that `auto` means for it.

    Args:
        widths: units of each hidden layer.
        dropout: share of units zeroed in training.
        activation: "selu" suits classes and "mish" numbers as target.
        scale_rate, bias_rate, activation_rate: learning rates of the scale of the columns, of the biases and
            of the shares of the activation.
        numeric: embeds the columns that are numbers.
        category_width: of the learned vector of each code of a category.

    Raises:
        ValueError: an option is out of range.
    """

    takes: ClassVar[tuple[str, ...]] = ("row",)
    own_embedding: ClassVar[str] = "pbld"

    def __init__(
        self,
        shape: tuple[int, ...],
        codes: Sequence[int] = (),
        *,
        widths: list[int],
        dropout: float,
        activation: Literal["selu", "mish", "relu"],
        scale_rate: float,
        bias_rate: float,
        activation_rate: float,
        numeric: Numeric | Literal["auto"] | None = None,
        category_width: int = 8,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        check_widths(widths)
        check_share("dropout", dropout)
        for name, rate in (
            ("scale_rate", scale_rate),
            ("bias_rate", bias_rate),
            ("activation_rate", activation_rate),
        ):
            if not rate > 0:
                raise ValueError(f"{name} must be above 0, got {rate}")
        (columns,) = shape
        self.category = category_vectors(codes, category_width)
        self.numeric = embedding_of(numeric, columns - len(codes))
        features = embedded_width(columns - len(codes), self.numeric, self.category)
        self.scale_rate = scale_rate
        self.scale = nn.Parameter(torch.full((features,), 1 / scale_rate))
        self.layers = nn.ModuleList()
        for width in widths:
            self.layers.append(NTKLayer(features, width, activation, bias_rate, activation_rate))
            features = width
        self.dropout = nn.Dropout(dropout)
        self.width = features
        if weights is not None:
            load(self, weights)

    @torch.no_grad()
    def fit_inputs(self, inputs: Tensor) -> None:
        """Sets the bins of the embedding and the initial weights by the training rows, (n, F)."""
        if self.numeric is not None:
            self.numeric.fit_inputs(numbers_of(inputs, self.category))
        values = self._columns(_some(inputs))
        for layer in self.layers:
            assert isinstance(layer, NTKLayer)
            layer.fit_inputs(values)
            values = layer(values)

    def _columns(self, inputs: Tensor) -> Tensor:
        columns = embedded(inputs, self.numeric, self.category)
        return columns * (self.scale_rate * self.scale)

    def forward(self, inputs: Tensor) -> Tensor:
        values = self._columns(inputs)
        for layer in self.layers:
            values = self.dropout(layer(values))
        return values


class NTKLayer(nn.Module):
    """x -> the activation of x W / sqrt(in) + b: (B, in) -> (B, out).

    The activation is a + (f(a) - a) * share, with a learned share for each unit that starts at 1.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        activation: Literal["selu", "mish", "relu"],
        bias_rate: float,
        activation_rate: float,
    ) -> None:
        super().__init__()
        self.bias_rate, self.activation_rate = bias_rate, activation_rate
        self.gain = inputs**-0.5
        self.activation = _ACTIVATIONS[activation]
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.share = nn.Parameter(torch.full((outputs,), 1 / activation_rate))

    def fit_inputs(self, values: Tensor) -> None:
        """Weights with outputs of deviation 1, and biases that put kinks among the rows ("he+5")."""
        deviation = (self.gain * values @ self.weight.T).std(dim=0, correction=0)
        self.weight.div_(deviation.clamp_min(_LEAST_DEVIATION)[:, None])
        made = self.gain * values @ self.weight.T
        rows = torch.randint(len(made), (len(self.bias), _SIMPLEX))
        shares = torch.empty(len(self.bias), _SIMPLEX).exponential_()
        shares /= shares.sum(dim=1, keepdim=True)
        points = made[rows, torch.arange(len(self.bias))[:, None]]
        self.bias.copy_(-(points * shares).sum(dim=1) / self.bias_rate)

    def forward(self, values: Tensor) -> Tensor:
        linear = functional.linear(values, self.gain * self.weight, self.bias_rate * self.bias)
        return linear + (self.activation(linear) - linear) * (self.activation_rate * self.share)


def _some(inputs: Tensor) -> Tensor:
    """Rows spread evenly over all, so that a large table does not delay the start."""
    step = max(1, len(inputs) // _ROWS_OF_START)
    return inputs[::step]
