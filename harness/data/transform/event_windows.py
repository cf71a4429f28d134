"""Windows: events, one per row, joined to sequences of at most so many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from harness.core.errors import UserError
from harness.core.table import Table

Pad = Literal["front", "back"]


def joined(table: Table, length: int, step: int | None, target: Literal["constant", "last"]) -> Table:
    """The table with one row per window of its events, which are sorted by id and then by time.

    Windows of one id belong together: where there are several and no group is named, the id is it.

    Args:
        table: one row per event.
        length: the most events of a window.
        step: events from one window to the next, the latest of which ends with the last event; None:
            the last `length` events of each id and no other window.
        target: "constant": the target is one per id; "last": that of the window's last event.

    Raises:
        UserError: no id is named or one is missing, a time is missing, or a target or group that
            differs within an id.
    """
    if table.id is None:
        raise UserError(
            f"data/transform=sequence joins the events of an id, and {table.name} names none",
            "name its column with data.extract.id=COLUMN",
            key="data.extract.id",
        )
    codes = _ranks(table, table.id, "id")
    times = np.arange(len(table)) if table.time is None else _ranks(table, table.time, "time")
    order = np.lexsort((times, codes))
    events = table.frame.iloc[order].reset_index(drop=True)
    codes = codes[order]
    spans = _spans(codes, length, step)
    last = spans[:, 1] - 1
    frame = pd.DataFrame({table.id: events[table.id].to_numpy()[last]})
    if table.time is not None:
        frame[table.time] = events[table.time].array[last]
    for column in table.target:
        frame[column] = (
            events[column].array[last] if target == "last" else _one(events, codes, column, table, last)
        )
    if table.group is not None and table.group not in frame:
        frame[table.group] = _one(events, codes, table.group, table, last)
    group = table.id if table.group is None and step is not None else table.group
    return table.with_events(frame, events, spans, group)


@dataclass(frozen=True)
class Windows:
    """`Rows` of padded sequences, cut out of their events on demand.

    values  (E, F) float32, the events one after the other
    spans   (N, 2) int64, the first event of each sample and the one after its last
    length  T: of a longer span, the last events
    pad     on which side zeros fill up a shorter one
    mask    whether a last channel is 1 for events and 0 for padding
    """

    values: Tensor
    spans: np.ndarray
    length: int
    pad: Pad
    mask: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, T, F), or (N, T, F + 1) with the mask."""
        return (len(self.spans), self.length, self.values.shape[1] + self.mask)

    def take(self, rows: np.ndarray) -> Tensor:
        """The windows at `rows` -> (B, T, F) float32."""
        stops = self.spans[rows, 1:]
        starts = np.maximum(self.spans[rows, :1], stops - self.length)
        steps = np.arange(self.length)
        positions = stops - self.length + steps if self.pad == "front" else starts + steps
        real = torch.from_numpy((positions >= starts) & (positions < stops))
        width = self.values.shape[1]
        windows = torch.zeros(len(rows), *self.shape[1:])
        windows[..., :width][real] = self.values[torch.from_numpy(positions)[real]]
        if self.mask:
            windows[..., width] = real.float()
        return windows


def _ranks(table: Table, column: str, role: str) -> np.ndarray:
    """(N,) int64: the place of each row's value among the distinct ones, in order."""
    values = table.frame[column]
    if values.isna().any():
        raise UserError(
            f"every event needs its {role}, and column {column!r} of {table.name} has none in row "
            f"{int(values.isna().to_numpy().argmax())}",
            "correct the column, or leave such rows out",
        )
    return np.asarray(pd.factorize(values, sort=True)[0], dtype=np.int64)


def _spans(codes: np.ndarray, length: int, step: int | None) -> np.ndarray:
    """(N, 2) int64 of sorted ids: windows in order, ids in order."""
    bounds = np.flatnonzero(np.diff(codes, prepend=-1, append=codes[-1] + 1))
    firsts, stops = bounds[:-1], bounds[1:]
    counts = np.ones(len(firsts), dtype=np.int64)
    if step is not None:
        counts += np.maximum(0, stops - firsts - length) // step
    ends = np.repeat(stops, counts)
    # How many windows of the same id come after this one.
    later = np.repeat(np.cumsum(counts), counts) - 1 - np.arange(counts.sum())
    ends = ends - later * (step or 0)
    return np.stack([np.maximum(np.repeat(firsts, counts), ends - length), ends], axis=1)


def _one(events: pd.DataFrame, codes: np.ndarray, column: str, table: Table, last: np.ndarray) -> pd.Series:
    """The one known value that the column has within each id, for the windows that end at `last`."""
    values = events[column]
    differing = values.groupby(codes).nunique() > 1
    if differing.any():
        place = int(differing.to_numpy().argmax())
        event = int(np.searchsorted(codes, place))
        distinct = values[codes == place].dropna().unique().tolist()
        role, remedy = "group", "choose another with data.extract.group=COLUMN"
        if column in table.target:
            role, remedy = "target", "set data.transform.target=last, or choose another"
        raise UserError(
            f"the {role} {column!r} must be one within each {table.id!r}, and "
            f"{events[table.id].tolist()[event]!r} has {distinct[0]!r} and {distinct[1]!r}",
            remedy,
        )
    known: pd.Series = values.groupby(codes).first()
    chosen: pd.Series = known.iloc[codes[last]].reset_index(drop=True)
    return chosen
