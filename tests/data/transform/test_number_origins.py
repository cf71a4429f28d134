import json

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

from harness.core.table import Table
from harness.data.transform.number_origins import find_origins
from harness.data.transform.tabular import Tabular

STEPS = np.arange(-60, 61, 3)


@pytest.mark.parametrize(
    ("column", "origin"),
    [
        (10**17 + STEPS, 10**17 - 60),
        (1e12 + STEPS / 1000, 1e12 - 0.06),
        (-(10**17) + STEPS, -(10**17) - 60),
        (1_700_000_000 + STEPS * 100, None),
        (STEPS, None),
        (np.full(41, 10**17), None),
        (np.full(41, np.nan), None),
    ],
    ids=["large", "fractions", "negative", "seconds", "near zero", "constant", "empty"],
)
def test_the_origin_of_a_column_far_from_zero_is_its_lowest_value(
    column: np.ndarray, origin: float | None
) -> None:
    found = find_origins(np.asarray(column, dtype=np.float64)[:, None], ["a"])
    assert found == ({} if origin is None else {"a": float(origin)})


@pytest.mark.parametrize("as_array", [False, True])
def test_integers_far_from_zero_are_scaled_to_the_last_digit(as_array: bool) -> None:
    columns = np.column_stack([10**17 + STEPS, STEPS])
    frame = pd.DataFrame(columns, columns=["far", "near"])
    table = Table(frame, ("far", "near"))
    if as_array:
        table = Table(pd.DataFrame(index=range(len(columns))), (), array=columns)
    transform = Tabular(numeric=[StandardScaler()], categorical=[], dates=[], cyclic=False)
    transform.fit(table, np.arange(len(table)), table.task)
    features = transform(table).inputs.numpy()
    np.testing.assert_allclose(features[:, 0], features[:, 1], atol=1e-6)
    np.testing.assert_allclose(features[:, 1], STEPS / STEPS.std(), atol=1e-6)

    restored = Tabular(numeric=[StandardScaler()], categorical=[], dates=[], cyclic=False)
    state = transform.state()
    restored.restore(state | {"origins": json.loads(json.dumps(state["origins"]))})
    assert np.array_equal(restored(table).inputs.numpy(), features)
