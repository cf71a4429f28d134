"""Transforms of numbers in the manner of scikit-learn: bounds, robust scaling, smooth clipping, quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.preprocessing import QuantileTransformer


class TrainingRange(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]  # sklearn has no types
    """x -> x in the range of the training values and its margin; beyond, the nearest number in it.

    So a network answers an absurd value like one near those that it has learned from, as a tree does.

    Args:
        margin: how much the range is widened on each side, as a share of its width; 0 or more.

    Attributes:
        low_, high_: (F,) float64.
    """

    def __init__(self, margin: float = 0.0) -> None:
        self.margin = margin

    def fit(self, values: np.ndarray, targets: Any = None) -> TrainingRange:
        """values (n, F) without missing ones; `targets` are not used.

        Raises:
            ValueError: `margin` is below 0.
        """
        if not self.margin >= 0:
            raise ValueError(f"margin must be 0 or more, got {self.margin}")
        low, high = values.min(axis=0), values.max(axis=0)
        more = self.margin * (high - low)
        self.low_, self.high_ = low - more, high + more
        self.n_features_in_ = values.shape[1]
        return self

    def transform(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(np.clip(values, self.low_, self.high_))


class RobustScale(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]  # sklearn has no types
    """x -> (x - median) / interquartile range, per column (Holzmueller et al. 2024, arXiv 2407.04491, section
    3).

    A column whose quartiles are equal is divided by half its range instead, and a constant one becomes 0.

    Attributes:
        center_, scale_: (F,) float64.
    """

    def fit(self, values: np.ndarray, targets: Any = None) -> RobustScale:
        """values (n, F) without missing ones; `targets` are not used."""
        low, self.center_, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
        half = (values.max(axis=0) - values.min(axis=0)) / 2
        scale = np.where(high > low, high - low, half)
        self.scale_ = np.where(scale > 0, scale, 1.0)
        self.n_features_in_ = values.shape[1]
        return self

    def transform(self, values: np.ndarray) -> np.ndarray:
        return np.asarray((values - self.center_) / self.scale_)


class SmoothClip(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]  # sklearn has no types
    """x -> x / sqrt(1 + (x / limit)^2), which stays between -limit and limit (arXiv 2407.04491, section 3).

    Args:
        limit: above 0.
    """

    def __init__(self, limit: float = 3.0) -> None:
        self.limit = limit

    def fit(self, values: np.ndarray, targets: Any = None) -> SmoothClip:
        """Raises ValueError: `limit` is not above 0."""
        if not self.limit > 0:
            raise ValueError(f"limit must be above 0, got {self.limit}")
        self.n_features_in_ = values.shape[1]
        return self

    def transform(self, values: np.ndarray) -> np.ndarray:
        # The hypotenuse does not overflow where the square of a large number would.
        return np.asarray(values / np.hypot(1.0, values / self.limit))


class Quantiles(QuantileTransformer):  # type: ignore[misc]  # sklearn has no types
    """scikit-learn's QuantileTransformer to a normal distribution, with as many quantiles as the rows bear.

    One for each `rows_per_quantile` training rows, at least 10 and at most `most`: with one for each row, as
    scikit-learn would take, the transform learns the training rows by heart.
    """

    def __init__(
        self, *, most: int = 1000, rows_per_quantile: int = 30, random_state: int | None = None
    ) -> None:
        super().__init__(output_distribution="normal", random_state=random_state)
        self.most, self.rows_per_quantile = most, rows_per_quantile

    def fit(self, values: np.ndarray, targets: Any = None) -> Quantiles:
        """values (n, F) without missing ones; `targets` are not used."""
        rows = len(values)
        self.n_quantiles = min(rows, max(10, min(self.most, rows // self.rows_per_quantile)))
        super().fit(values)
        return self
