"""The quick arithmetic of fitted parts has the bits of scikit-learn, and is what runs for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from harness.data.transform.quick_parts import transformed

_DRAWN = np.random.default_rng(0)
WHOLE = _DRAWN.normal(size=(50, 4)) * [1e-3, 1, 1e9, 0]
GAPS = np.where(_DRAWN.random(WHOLE.shape) < 0.2, np.nan, WHOLE)
PARTS: dict[str, tuple[Any, np.ndarray, bool | None]] = {
    "scaler": (StandardScaler(), WHOLE, True),
    "scaler of gaps": (StandardScaler(), GAPS, True),
    "scaler without mean": (StandardScaler(with_mean=False), WHOLE, True),
    "scaler without deviation": (StandardScaler(with_std=False), WHOLE, True),
    "median": (SimpleImputer(strategy="median"), GAPS, True),
    "constant": (
        SimpleImputer(strategy="constant", fill_value=-1.5),
        GAPS,
        None,
    ),  # its dtype depends on the version
    "with indicators": (SimpleImputer(add_indicator=True), GAPS, False),
    "another missing value": (SimpleImputer(missing_values=0.0), WHOLE, False),
    "an empty column": (SimpleImputer(), np.column_stack([GAPS, np.full(50, np.nan)]), False),
    "another part": (MinMaxScaler(), WHOLE, False),
}


@pytest.mark.parametrize("case", PARTS)
@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
def test_bits_are_those_of_the_part(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    part, values, quick = PARTS[case]
    part.fit(values)
    for rows in (values, values[:1], np.asfortranarray(values[3:9])):
        before = rows.copy()
        np.testing.assert_array_equal(transformed(part, rows), part.transform(rows), strict=True)
        np.testing.assert_array_equal(rows, before)
    asked: list[Any] = []
    monkeypatch.setattr(type(part), "transform", lambda self, rows: asked.append(rows))
    transformed(part, values)
    if quick is not None:
        assert bool(asked) is not quick
