"""Graph input: sequences of events."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from harness.core.table import Table
from harness.data.transform.event_windows import Pad
from harness.deploy.export.graph_inputs import Feed, Inputs
from harness.deploy.export.sklearn_as_tensors import Columns
from harness.deploy.export.tabular_input import Rows, fact


class Sequences(Inputs):
    """As `Rows` for each of T steps, (B, T, …), and `events` (B, T) bool: False where a step is padding.

    Args:
        columns: the arithmetic for the columns of an event.
        dtypes: of the raw columns.
        length: T.
        pad: the side on which a shorter sequence is filled up.
        mask: whether the network receives the mask of events.
        order: the columns that group and order events, as facts.
    """

    def __init__(
        self,
        columns: Columns,
        dtypes: dict[str, str],
        length: int,
        pad: Pad,
        mask: bool,
        order: dict[str, str],
    ) -> None:
        super().__init__()
        self.rows, self.length, self.pad, self.mask = Rows(columns, dtypes), length, pad, mask
        facts = [{**one, "shape": ["batch", length, *one["shape"][1:]]} for one in self.rows.facts]
        words = f"True where a step is an event, False where it is padding, which is at the {pad}"
        self.facts = [*facts, fact("events", "bool", [length], words, **order)]
        self.steps = [*self.rows.steps, {"step": "zeros in the place of steps that are padding"}]
        if mask:
            self.steps.append({"step": "a last feature that is 1 for an event and 0 for padding"})

    def feed(self, table: Table) -> Feed:
        if table.events is not None and table.spans is not None:
            values, spans = self.rows.values(table.events), table.spans
        else:
            assert table.array is not None
            count, steps, width = table.array.shape
            values = self.rows.values(table.array.reshape(count * steps, width))
            stops = steps * np.arange(1, count + 1)
            spans = np.stack([stops - steps, stops], axis=1)
        stops = spans[:, 1:]
        starts = np.maximum(spans[:, :1], stops - self.length)
        steps = np.arange(self.length)
        places = stops - self.length + steps if self.pad == "front" else starts + steps
        real = (places >= starts) & (places < stops)
        cut = {name: value[np.where(real, places, stops - 1)] for name, value in values.items()}
        return {**cut, "events": real}

    def forward(self, *inputs: Tensor) -> Tensor:
        real = inputs[-1].unsqueeze(-1)
        values = torch.where(real, self.rows(*inputs[:-1]), 0.0)
        return torch.cat([values, real.float()], dim=-1) if self.mask else values
