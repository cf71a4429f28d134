"""Columns of category codes: the last columns of rows of features, whole numbers 0 … count - 1.

`Arrays.codes` has the count of each. Code 0 is that of unknown, rare and missing values; the others follow
the frequency in the training rows, the most frequent first. A model learns a vector for each code; for other
methods these functions make features of the codes that can be compared and added.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

MOST_ONE_HOT = 100
"""Codes of a column that `one_hot` gives a feature, as many as `max_categories` of the one-hot encoder."""


def argument(codes: Sequence[int]) -> dict[str, Any]:
    """What a model is built with beside the shape: nothing where no column holds codes."""
    return {"codes": tuple(codes)} if codes else {}


def without_rare(inputs: Tensor, codes: Sequence[int], most: int) -> Tensor:
    """The rows with code 0 in place of the codes from `most` on: (B, F) -> (B, F)."""
    if not codes:
        return inputs
    numbers, known = inputs[:, : -len(codes)], inputs[:, -len(codes) :]
    return torch.cat([numbers, known * (known < most)], dim=1)


def one_hot(inputs: Tensor, codes: Sequence[int]) -> Tensor:
    """The rows with a feature for each code in place of the codes: (B, F) -> (B, `one_hot_width`).

    Codes from `MOST_ONE_HOT` on count as 0.
    """
    if not codes:
        return inputs
    held = without_rare(inputs, codes, MOST_ONE_HOT)
    parts = [held[:, : -len(codes)]]
    for column, count in zip(held[:, -len(codes) :].long().T, codes, strict=True):
        parts.append(torch.nn.functional.one_hot(column, min(count, MOST_ONE_HOT)).to(inputs))
    return torch.cat(parts, dim=1)


def one_hot_width(features: int, codes: Sequence[int]) -> int:
    """The number of features that `one_hot` makes."""
    return features - len(codes) + sum(min(count, MOST_ONE_HOT) for count in codes)
