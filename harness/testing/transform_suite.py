"""Contract of transforms: see `harness.core.protocol.Transform`."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.core.arrays import Arrays
from harness.core.errors import UserError
from harness.core.table import Table
from harness.testing.suite_choices import Suite, examples


class TestTransforms(Suite):
    """Every yaml of `data/transform`; `kinds` names the kind of table of those that take no plain one."""

    group: ClassVar[str] = "data/transform"
    kinds: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def node(cls, choice: str) -> dict[str, Any]:
        """With the settings that the yaml takes from a group below its own."""
        return {**cls.settings_below(choice), **super().node(choice)}

    def table(self, choice: str) -> Table:
        """Twelve samples of the kind that it takes."""
        return make_table(self.kinds.get(choice, "table"))

    def fitted(self, choice: str, table: Table) -> Any:
        """The transform, with the first eight samples for training rows."""
        transform = self.make(choice)
        made = arranged(transform, table)
        transform.fit(made, np.arange(8), made.task)
        return transform

    @examples(15)
    @given(seed=st.integers(0, 99), scale=st.sampled_from([1.0, 1e6, np.inf, np.nan]))
    def test_a_transform_is_blind_to_test_rows(self, choice: str, seed: int, scale: float) -> None:
        table = self.table(choice)
        changed = table.frame.copy()
        first = len(changed) // 12 * 8
        drawn = np.random.default_rng(seed).normal(size=(len(changed) - first, 16)) * scale
        changed.loc[first:, changed.columns[:16]] = drawn
        if "colour" in changed:
            changed.loc[first:, "colour"] = "unseen"
        other = table.with_frame(changed)
        one, two = self.fitted(choice, table), self.fitted(choice, other)
        assert torch.equal(samples(one, table)[:8], samples(two, other)[:8]), (
            "other values of test rows changed the training rows: `fit` must read `rows` alone"
        )
        assert samples(two, other).isfinite().all(), "an input is NaN or infinite"

    def test_a_restored_transform_gives_the_same_arrays_bit_for_bit(self, choice: str) -> None:
        table = self.table(choice)
        transform, fresh = self.fitted(choice, table), self.make(choice)
        state = transform.state()
        json.dumps({key: value for key, value in state.items() if not isinstance(value, bytes)})
        buffer = io.BytesIO()
        torch.save(state, buffer)
        buffer.seek(0)
        fresh.restore(torch.load(buffer, weights_only=True))
        assert torch.equal(samples(fresh, table), samples(transform, table)), (
            "a transform restored from `state()` gives other arrays"
        )
        expected, restored = transform(arranged(transform, table)), fresh(arranged(fresh, table))
        assert torch.equal(restored.targets, expected.targets)
        assert restored.task == expected.task == table.task

    def test_new_rows_may_lack_the_target_and_have_their_columns_in_another_order(self, choice: str) -> None:
        table = self.table(choice)
        transform = self.fitted(choice, table)
        columns = [*table.features[::-1], *([] if table.id is None else [table.id])]
        chosen: Any = [3, 9] if table.id is None else table.frame[table.id].isin([3, 9])
        frame = table.frame.loc[chosen, columns].reset_index(drop=True)
        new = Table(frame, table.features[::-1], kind=table.kind, id=table.id, shape=table.shape)
        assert torch.equal(samples(transform, new), samples(transform, table)[[3, 9]]), (
            "columns must be found by name, not by position"
        )
        arrays = transform(arranged(transform, new))
        assert arrays.targets is None, "a table without target must give targets=None"
        assert arrays.task == table.task

    def test_a_transform_gives_float32_inputs_and_codes_with_minus_one_for_a_missing_class(
        self, choice: str
    ) -> None:
        table = self.table(choice)
        transform = self.fitted(choice, table)
        arrays = transform(arranged(transform, table))
        made = samples(transform, table)
        assert made.dtype == torch.float32, f"inputs must be float32, not {made.dtype}"
        assert made.shape == (12, *arrays.shape), "inputs must have one row for each row of the table"
        assert arrays.targets.tolist() == [0, 1, -1] * 4, "targets must be `encode(table, task)`"

    def test_a_column_that_new_rows_lack_is_named(self, choice: str) -> None:
        table = self.table(choice)
        transform = self.fitted(choice, table)
        frame = table.frame.rename(columns={"x3": "X3"})
        with pytest.raises(UserError) as caught:
            samples(transform, Table(frame, ("X3",), name="visits", kind=table.kind, id=table.id))
        assert "x3" in str(caught.value), "the error must name the column that is missing"


def make_table(kind: str) -> Table:
    """Twelve samples of 16 numbers, and of no image also a colour; of sequences, three events each."""
    random = np.random.default_rng(0)
    rows = np.repeat(np.arange(12), 3 if kind == "sequence" else 1)
    frame = _numbers(random, len(rows))
    features = tuple(frame.columns)
    frame["y"] = np.array(["cat", "dog", None], dtype=object)[rows % 3]
    if kind == "image":
        return Table(frame, features, target=("y",), kind="image", shape=(1, 4, 4))
    frame["colour"] = np.array(["red", "green"], dtype=object)[rows % 2]
    if kind == "table":
        return Table(frame, (*features, "colour"), target=("y",))
    frame["who"] = rows
    return Table(frame, (*features, "colour"), target=("y",), id="who", kind="sequence")


def _numbers(random: np.random.Generator, rows: int) -> Any:
    import pandas as pd

    return pd.DataFrame(random.normal(3, 2, (rows, 16)), columns=[f"x{i}" for i in range(16)])


def arranged(transform: Any, table: Table) -> Table:
    """The table with sequences arranged by the transform, as it is before the split."""
    if table.kind != "sequence":
        return table
    made: Table = transform.arrange(table, lambda size: True)
    return made


def samples(transform: Any, table: Table) -> torch.Tensor:
    """All samples of the table as the model sees them."""
    arrays: Arrays = transform(arranged(transform, table))
    return arrays.take(np.arange(arrays.inputs.shape[0]))
