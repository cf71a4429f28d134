"""RowPredictor: predicts raw rows from a bundle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from harness.bundle import fitted_state, raw_rows
from harness.bundle.bundle import Bundle, load_weights, network, read
from harness.config.instantiate import build
from harness.core.code_columns import argument
from harness.core.double_precision import module_on_device
from harness.core.errors import UserError
from harness.core.name_list import listed
from harness.core.predictor import Predictor, probabilities
from harness.core.protocol import Transform
from harness.core.table import Table
from harness.data.extract.column_types import dates
from harness.data.extract.row_checks import finite, finite_array
from harness.data.extract.text_file_format import TextFormat, is_text
from harness.data.transform.number_ranges import beyond
from harness.runs.bundle_files import FACTS, TRANSFORM, check_files
from harness.runtime.stored_file import configured_by

BATCH = 1024
"""Rows per batch. Another batch size may change a prediction in its last digits."""

_NAMED = 4
_EMPTY = "leave it empty, which counts as missing"
"""A message names this many missing columns at most."""


class RowPredictor:
    """Transform, model and head of a bundle, with their fitted state and weights.

    Args:
        folder: of the bundle.
        device: where the network runs.
        embed: whether to return the representation even if there is a head.
        batch: rows per batch; batches begin at multiples of it.

    Raises:
        FileNotFoundError: the folder has no complete bundle.
        UserError: a part named by the configuration cannot be built here.
    """

    def __init__(
        self, folder: str | Path, device: str = "cpu", *, embed: bool = False, batch: int = BATCH
    ) -> None:
        folder = Path(folder)
        self.bundle: Bundle = read(folder)
        check_files(folder)
        self.batch = batch
        self._format = TextFormat.of(self.bundle.config["data"].get("extract", {}))
        if embed:
            self.bundle = replace(self.bundle, head=False)  # which is then omitted
        self._device = torch.device(device)
        with configured_by(folder / FACTS):
            self.predictor = _predictor(read(folder), folder, self._device)
            self.transform: Transform = build(self.bundle.config["data"]["transform"], "data.transform")
        if embed:
            self.predictor = replace(self.predictor, head=None)
        fitted_state.restore(self.transform, folder / TRANSFORM)

    def __call__(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Predictions in the order and with the index of `rows`; for sequences, with their ids as index.

        A classification gives `prediction` (the class's name) and a `probability_<class>` for each
        class; a regression `prediction`, in the target's unit; several targets a `prediction_<column>`
        each, labels (0 or 1) a `probability_<column>` too; a trainer that learned no outputs
        `representation_0` … All numbers but the labels are float64 in the frame. The
        network computes in float32; a regression is brought to the target's unit in float64.

        Args:
            rows: one or more raw rows with `Bundle.columns`; others are ignored. Events are grouped by
                their id; each sequence (or each window, if the transform makes several) gets one
                prediction, sorted by id.

        Raises:
            UserError: a column is missing, or a value does not fit its type, or is infinite where the
                training refused that.
        """
        names = list(self.bundle.outputs)
        require(self.bundle, rows.columns)
        if rows.empty:
            return pd.DataFrame(columns=names, index=rows.index)
        table = self.table(rows)
        if hasattr(self.transform, "arrange"):
            table = self.transform.arrange(table, _decodes_when_asked)
        index = rows.index if table.events is None else pd.Index(table.frame[table.id], name=table.id)
        arrays, every = self.transform(table), np.arange(len(table))
        parts = [
            self._predict(arrays.take(every[first : first + self.batch]))
            for first in range(0, len(every), self.batch)
        ]
        # A frame is made once, of its columns: to insert, name and index them takes longer than the network.
        return pd.DataFrame(
            dict(zip(names, map(_joined, zip(*parts, strict=True)), strict=True)), index=index
        )

    def unseen(self, rows: pd.DataFrame) -> dict[str, list[str]]:
        """By column, the categories in raw rows that did not occur in training, if the transform knows
        them."""
        chains = getattr(self.transform, "chains", None)
        if rows.empty or self.bundle.array is not None or chains is None:
            return {}
        return dict(chains.unseen(self.table(rows).frame))

    def beyond(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Which numbers of raw rows are beyond the range of the training rows: a bool for each row and
        column.

        Without columns where the transform does not know the range.
        """
        ranges = getattr(getattr(self.transform, "chains", None), "ranges", {})
        if rows.empty or self.bundle.array is not None or not ranges:
            return pd.DataFrame(index=rows.index)
        return beyond(self.table(rows).frame, ranges)

    def table(self, rows: pd.DataFrame) -> Table:
        """Raw rows as a table for the transform.

        Raises:
            UserError: as a call.
        """
        bundle = self.bundle
        require(bundle, rows.columns)
        later = isinstance(rows.index, pd.RangeIndex) and rows.index.start > 0
        name = f"the rows from {rows.index[0]} on" if later else "rows"  # the name used in messages
        wanted = list(bundle.columns)
        frame = rows if list(rows.columns) == wanted else rows[wanted]
        if bundle.array is not None:
            array = raw_rows.stacked(frame[raw_rows.ARRAY], bundle.array)
            array = finite_array(array, name, bundle.infinite, _EMPTY)
            return Table(frame.reset_index(drop=True), (), kind=bundle.kind, array=array, name=name)
        # An id is only a name; its type does not matter to the model.
        typed_rows = frame.reset_index(drop=True)
        for column, dtype in zip(bundle.columns, map(raw_rows.name_of, frame.dtypes), strict=True):
            kind = bundle.columns[column]
            if column != bundle.id and not (dtype == kind and kind.startswith(_NUMERIC)):
                typed_rows[column] = typed(self._read(frame[column], kind), kind).set_axis(typed_rows.index)
        features = tuple(column for column in bundle.columns if column not in (bundle.id, bundle.time))
        return Table(
            finite(typed_rows, features, name, bundle.infinite, instead=_EMPTY),
            features,
            kind=bundle.kind,
            shape=bundle.image,
            id=bundle.id,
            time=bundle.time,
            name=name,
        )

    def _read(self, column: pd.Series, kind: str) -> pd.Series:
        """The column with texts read as in the text file of the training rows: trimmed, units removed."""
        column = self._format.trimmed(column)
        if not kind.startswith(_NUMERIC) or self._format.numbers.plain or not is_text(column):
            return column
        numbers = self._format.numbers.numbers(column)
        return column if (numbers.isna() & column.notna()).any() else numbers

    def _predict(self, inputs: Tensor) -> list[np.ndarray | list[str]]:
        """The columns of the predictions, in the order of `Bundle.outputs`."""
        prediction = self.predictor(inputs.to(self._device))
        task, outputs = self.bundle.task, prediction.outputs
        if outputs is None:
            return [*prediction.representation.double().cpu().numpy().T]
        if task.kind == "regression":
            values = outputs.double().cpu().numpy()
            return [*values.reshape(len(values), -1).T]
        if task.kind == "multilabel":
            labels = outputs.sigmoid().double().cpu().numpy()
            return [*(labels > 0.5).astype(np.int64).T, *labels.T]
        chances = probabilities(outputs).double().cpu()
        return [[task.classes[code] for code in chances.argmax(dim=1).tolist()], *chances.numpy().T]


def _joined(parts: Sequence[np.ndarray | list[str]]) -> np.ndarray | list[str]:
    """A column of several batches."""
    if isinstance(parts[0], list):
        return [value for part in parts for value in part]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def built(bundle: Bundle) -> tuple[nn.Module, nn.Module | None]:
    """Model and head as the configuration describes them, with random weights, on the CPU.

    Raises:
        UserError: a part named by the configuration cannot be built here.
    """
    # Only the head is built from the trainer; its training device need not exist here.
    trainer: dict[str, Any] = {**bundle.config["trainer"]}
    if "device" in trainer:
        trainer["device"] = "cpu"
    architecture: dict[str, Any] = {**bundle.config["model"]}
    if "weights" in architecture:
        architecture["weights"] = None  # the weights of the bundle are loaded afterwards
    model: nn.Module = build(architecture, "model")(bundle.inputs, **argument(bundle.codes))
    if not bundle.head:
        return model, None
    method = build(trainer, "trainer")
    method.members = getattr(model, "members", 1)
    return model, method.build_head(bundle.width, bundle.task)


def _predictor(bundle: Bundle, folder: Path, device: torch.device) -> Predictor:
    model, head = built(bundle)
    load_weights(network(model, head), folder, torch.device("cpu"))
    module_on_device(network(model, head).eval(), device)  # else each call changes the mode and back
    autocast = None if bundle.autocast is None else getattr(torch, bundle.autocast)
    return Predictor(model, head, bundle.task, autocast=autocast, temperature=bundle.temperature)


def _decodes_when_asked(size: int) -> bool:
    """Whether a transform may hold decoded files in memory: no, they are decoded batch by batch."""
    del size
    return False


def require(bundle: Bundle, columns: Iterable[str]) -> None:
    """Raises UserError: one of the columns that the model was trained on is missing."""
    held = set(columns)
    missing = [name for name in bundle.columns if name not in held]
    if missing:
        names = listed(map(repr, missing), _NAMED)
        raise UserError(
            f"the model needs the {_counted(len(bundle.columns))} that it was trained on, and {len(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing: {names}",
            "give rows as the data source gives them",
        )


def _counted(columns: int) -> str:
    return "column" if columns == 1 else f"{columns} columns"


def typed(column: pd.Series, kind: str) -> pd.Series:
    """The column with the type that it had in training, if no value changes by the conversion.

    Integers with missing values stay floats, as pandas reads them.
    """
    if str(column.dtype) == kind:
        return column
    if kind.startswith(_NUMERIC):
        column = _numbers(column, kind)
    exact = kind.startswith(("int", "uint", "bool"))
    if exact and column.isna().any():
        return column
    if kind.startswith("datetime"):
        return _moments(column, kind)
    cast: pd.Series = column.astype(pd.api.types.pandas_dtype(kind))
    if kind == "str":
        return cast.where(column.notna())  # pandas 2 turns a missing value into the text "nan"
    return column if exact and (cast != column).any() else cast


_NUMERIC = ("int", "uint", "float", "Int", "UInt", "Float")


def _numbers(column: pd.Series, kind: str) -> pd.Series:
    """The column, with numbers in text form converted to numbers."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column
    numbers = pd.to_numeric(column, errors="coerce")
    refuse(column, numbers.isna() & column.notna(), kind)
    return numbers


def _moments(column: pd.Series, kind: str) -> pd.Series:
    """Dates, also from ISO 8601 text. A number is refused because its unit is unknown."""
    moments = column
    if not pd.api.types.is_datetime64_any_dtype(column.dtype):
        refuse(column, column.notna() & pd.api.types.is_numeric_dtype(column.dtype), kind)
        aware = kind.endswith("]") and "," in kind
        moments = (
            pd.to_datetime(column, format="ISO8601", errors="coerce", utc=True) if aware else dates(column)
        )
        refuse(column, moments.isna() & column.notna(), kind)
    try:
        return moments.astype(pd.api.types.pandas_dtype(kind))
    except TypeError:  # one has a UTC offset and the other has not
        refuse(column, column.notna(), kind)
        raise


def refuse(column: pd.Series, wrong: pd.Series, kind: str) -> None:
    """Raises UserError: a value is wrong; names the first."""
    if wrong.any():
        place = int(wrong.to_numpy().argmax())
        raise UserError(
            f"column {str(column.name)!r} was {kind} in training, and row {column.index[place]} holds "
            f"{str(column.iloc[place])!r}",
            "correct it, or leave the cell empty",
        )
