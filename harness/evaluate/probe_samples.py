"""The inputs of a probe: float64 features and targets of the rows of a part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from harness.core.arrays import Loader
from harness.core.code_columns import one_hot
from harness.core.predictor import Predictor
from harness.evaluate.scored_rows import exact, known


class Sample(NamedTuple):
    """Features (n, D) float64 and targets (n,), of several (n, T), int64 or float64, row by row."""

    features: Tensor
    targets: Tensor

    def labelled(self) -> Sample:
        """Returns the rows with a known target; without a copy if all targets are known."""
        rows = known(self.targets)
        return self if bool(rows.all()) else Sample(self.features[rows], self.targets[rows])


def encode(predictor: Predictor, loader: Loader, places: Tensor | None = None) -> Sample:
    """The representation of a part, or of the rows at some sorted places of it."""
    return _gather(loader, places, lambda inputs: predictor(inputs).representation)


def flatten(loader: Loader, places: Tensor | None = None, codes: Sequence[int] = ()) -> Sample:
    """The inputs of a part, each row flattened, or of the rows at some sorted places of it.

    Codes of categories are one-hot: their distances mean nothing.
    """
    return _gather(loader, places, lambda inputs: one_hot(inputs.flatten(start_dim=1), codes))


def some(loader: Loader, most: int) -> Tensor:
    """At most `most` sorted places of a part, at random but always the same."""
    return _draw(torch.arange(len(loader.rows)), most)


def some_labelled(loader: Loader, most: int) -> Tensor:
    """As `some`, of labelled rows alone where there are any.

    Rows often come in the order of their class, and so the first ones would not do.
    """
    places = torch.arange(len(loader.rows))
    if loader.targets is not None and bool(known(loader.targets).any()):
        places = places[known(loader.targets).cpu()]
    return _draw(places, most)


def _draw(places: Tensor, most: int) -> Tensor:
    """Draws with a generator of its own, so that the global ones do not change."""
    if len(places) <= most:
        return places
    order = torch.randperm(len(places), generator=torch.Generator().manual_seed(0))
    return places[order[:most].sort().values]


def _gather(loader: Loader, places: Tensor | None, describe: Callable[[Tensor], Tensor]) -> Sample:
    """Fills one tensor batch by batch, so that the features are never in memory twice."""
    wanted = torch.arange(len(loader.rows)) if places is None else places
    features = torch.empty(0)
    first = filled = 0
    for batch in loader.ordered():
        own = wanted[(wanted >= first) & (wanted < first + len(batch.rows))] - first
        first += len(batch.rows)
        if len(own) == 0:
            continue
        whole = len(own) == len(batch.rows)
        described = exact(describe(batch.inputs if whole else batch.inputs[own.to(batch.inputs.device)]))
        if filled == 0:
            features = described.new_empty(len(wanted), described.shape[1])
        features[filled : filled + len(own)] = described
        filled += len(own)
    return Sample(features, _targets(loader.targets, wanted, features))


def _targets(targets: Tensor | None, places: Tensor, features: Tensor) -> Tensor:
    """Targets beside their features; -1, unknown, for each row of a part without targets."""
    if targets is None:
        return torch.full((len(places),), -1, device=features.device)
    chosen = targets[places.to(targets.device)]
    return exact(chosen) if chosen.is_floating_point() else chosen.to(features.device)
