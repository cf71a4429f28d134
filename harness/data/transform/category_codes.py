"""Categories as codes, in the manner of scikit-learn: a whole number for each value of a column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin


class CategoryCodes(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]  # sklearn has no types
    """(n, F) texts -> (n, F) float64 codes: 1, 2, … by frequency, 0 for a missing, rare or unknown value.

    What is rare in training shares the code of what is first met later, so that a model learns something
    for that code.

    Args:
        min_frequency: rows that a value needs for a code of its own.

    Attributes:
        categories_: of each column the values of the fitted rows, the most frequent first, equally frequent
            ones in alphabetical order.
        counts_: of each column the number of codes, with 0.
    """

    def __init__(self, *, min_frequency: int) -> None:
        self.min_frequency = min_frequency

    def fit(self, values: np.ndarray, targets: Any = None) -> CategoryCodes:
        """values (n, F) objects, text or NaN; `targets` are not used."""
        self.n_features_in_ = values.shape[1]
        self.categories_, self.counts_ = [], []
        for column in values.T:
            found = pd.Series(column).value_counts()
            ordered = sorted(found.items(), key=lambda entry: (-entry[1], entry[0]))
            self.categories_.append(np.array([name for name, _ in ordered], dtype=object))
            self.counts_.append(1 + self.frequent(column))
        return self

    def transform(self, values: np.ndarray) -> np.ndarray:
        """values (n, F) objects, text or NaN."""
        codes = np.zeros(values.shape)
        for place, (names, count) in enumerate(zip(self.categories_, self.counts_, strict=True)):
            codes[:, place] = 1 + pd.Index(names[: count - 1]).get_indexer(values[:, place])
        return codes

    def frequent(self, values: np.ndarray) -> int:
        """How many values of a column (n,) would get a code of their own."""
        return int((pd.Series(values).value_counts() >= self.min_frequency).sum())
