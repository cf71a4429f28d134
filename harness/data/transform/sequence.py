"""Sequence: a long table of events -> padded windows (N, T, F)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch

from harness.core.arrays import Arrays
from harness.core.errors import UserError
from harness.core.protocol import ColumnPart
from harness.core.table import DatePart, Table
from harness.core.task import Task
from harness.data.transform.column_values import Source
from harness.data.transform.event_windows import Pad, Windows, joined
from harness.data.transform.sklearn_chains import Chains
from harness.data.transform.target_tensor import encode, pack, unpack


class Sequence:
    """The events of an id, in the order of their time, as one sample.

    The columns of the events become features as in `Tabular`, learned from the events of the training
    windows. An array (N, T, F) is taken as it is, its last `length` steps. The windows are cut out
    when a batch needs them, so that overlapping ones cost no memory.

    Args:
        length: T, the most events of a window.
        step: events from one window to the next; None: the last `length` events of each id alone.
        target: "constant": one per id; "last": that of the window's last event.
        pad: the side on which zeros fill up what is shorter than `length`.
        mask: whether a last channel is 1 for events and 0 for padding.
        numeric, categorical, dates, cyclic: as in `Tabular`.
    """

    def __init__(
        self,
        *,
        length: int,
        step: int | None,
        target: Literal["constant", "last"],
        pad: Pad,
        mask: bool,
        numeric: list[ColumnPart],
        categorical: list[ColumnPart],
        dates: list[DatePart],
        cyclic: bool,
    ) -> None:
        if length < 1:
            raise ValueError(f"length must be 1 event or more, got {length}")
        if step is not None and step < 1:
            raise ValueError(f"step must be 1 event or more, or null, got {step}")
        self.length, self.step, self.target = length, step, target
        self.pad, self.mask = pad, mask
        self.chains = Chains(numeric=numeric, categorical=categorical, dates=dates, cyclic=cyclic)

    def arrange(self, table: Table, holds: Callable[[int], bool]) -> Table:
        """One row per window, its events sorted beside it.

        Raises:
            UserError: no id is named or one is missing, a time is missing, or a target or group that
                differs within an id.
        """
        if table.events is not None or table.array is not None:
            return table
        return joined(table, self.length, self.step, self.target)

    def fit(self, table: Table, rows: np.ndarray, task: Task) -> None:
        """Raises UserError: the table is not arranged, or a column cannot become numbers."""
        self.task = task
        source, spans = self._events(table)
        events = _covered(spans[rows], len(source))
        known = None
        targets = encode(table, task) if self.chains.supervised else None
        if targets is not None:
            spread = np.zeros((len(source), *targets.shape[1:]), dtype=targets.numpy().dtype)
            for row in rows:  # the latest of overlapping windows counts
                spread[spans[row, 0] : spans[row, 1]] = targets[row].numpy()
            known = spread[events]
        self.chains.fit(source, table.features, events, table.name, known)

    def __call__(self, table: Table) -> Arrays:
        """Raises UserError: the table is not arranged, or a column is missing or holds text for numbers."""
        source, spans = self._events(table)
        values = torch.from_numpy(self.chains(source, table.name))
        windows = Windows(values, spans, self.length, self.pad, self.mask)
        return Arrays(windows, encode(table, self.task), self.task)

    def state(self) -> dict[str, Any]:
        return {**self.chains.state(), "task": pack(self.task)}

    def restore(self, state: dict[str, Any]) -> None:
        """Raises UntrustedState: the state holds something that is not built from a file."""
        self.chains.restore(state)
        self.task = unpack(state["task"])

    def _events(self, table: Table) -> tuple[Source, np.ndarray]:
        """All events, and the (N, 2) spans of the samples within them."""
        if table.events is not None and table.spans is not None:
            return table.events, _clipped(table.spans, self.length)
        if table.array is None or table.array.ndim != 3:
            raise UserError(
                f"data/transform=sequence takes events that are joined to sequences, and {table.name} holds "
                "none",
                "set data.extract.kind=sequence and data.extract.id=COLUMN",
                key="data.extract.kind",
            )
        count, steps, width = table.array.shape
        stops = steps * np.arange(1, count + 1)
        spans = np.stack([stops - steps, stops], axis=1)
        return table.array.reshape(count * steps, width), _clipped(spans, self.length)


def _clipped(spans: np.ndarray, length: int) -> np.ndarray:
    """The last `length` events of each span."""
    return np.stack([np.maximum(spans[:, 0], spans[:, 1] - length), spans[:, 1]], axis=1)


def _covered(spans: np.ndarray, count: int) -> np.ndarray:
    """The positions of `count` events that are in one of the spans."""
    edges = np.zeros(count + 1, dtype=np.int64)
    np.add.at(edges, spans[:, 0], 1)
    np.add.at(edges, spans[:, 1], -1)
    return np.flatnonzero(np.cumsum(edges)[:-1] > 0)
