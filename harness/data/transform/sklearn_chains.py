"""Chains: the parts of scikit-learn that turn columns of numbers, dates and categories into features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

import numpy as np
import pandas as pd

from harness.core.errors import UnknownName, UserError
from harness.core.table import DatePart
from harness.data.transform import skops_file
from harness.data.transform.column_values import (
    Source,
    kind_of,
    require,
    source_numbers,
    texts,
)
from harness.data.transform.dates_as_numbers import days, numbers_of, width
from harness.data.transform.fitted_parts import Parts
from harness.data.transform.number_origins import find_origins, without_origins
from harness.data.transform.number_ranges import Ranges, find_ranges
from harness.data.transform.part_chain import apply_chain, asks_for_targets, fit_chain

_CELLS_AT_ONCE = 2**20
"""A transform works on as many rows at a time as make this many numbers: 8 MB, which stay in the cache."""

_CELLS_TO_FIT = 2**22
"""Columns are gathered for the fit in groups of this many numbers: what is copied twice is 32 MB."""


class Chains:
    """`numeric` parts in a row on numbers and on those made of dates, `categorical` on the rest.

    Text, booleans and categories are categorical, and reach the parts as text. An infinite number
    counts as missing. A column without a value in the fitted rows is left out. A part that asks for
    targets, such as scikit-learn's TargetEncoder, learns from the rows that have one.

    Args:
        numeric, categorical: transformers, cloned for the fit; an empty list lets the values pass.
        dates: the numbers made of each date, see `harness.data.transform.dates_as_numbers`.
        cyclic: month, day of week and hour as sine and cosine.
        codes: a `CategoryCodes` for columns of categories with many values, and above which number of values
            that is; such columns come last. None: they are as the others.
    """

    def __init__(
        self,
        *,
        numeric: list[Any],
        categorical: list[Any],
        dates: Sequence[DatePart],
        cyclic: bool,
        codes: tuple[Any, int] | None = None,
    ) -> None:
        self._parts = {"numeric": numeric, "categorical": categorical}
        self._codes = codes
        if codes is not None:
            self._parts["codes"] = [codes[0]]
        self._dates, self._cyclic = dates, cyclic
        self.columns: dict[str, list[Any]] = {}
        self.origins: dict[str, float] = {}
        """The earliest date of a column, in days since 1970, or what is taken off numbers far from zero."""
        self.ranges: Ranges = {}
        """Of the columns of numbers in the training rows, of a frame."""
        self.special: dict[str, Sequence[DatePart]] = {}
        """The dates of which other numbers are made than `dates`."""
        self.fitted: dict[str, Any] = {}
        """By kind: a pipeline of fitted parts, "passthrough" without any, None without columns."""

    @property
    def supervised(self) -> bool:
        """Whether a part needs targets."""
        return any(map(asks_for_targets, [*self._parts["numeric"], *self._parts["categorical"]]))

    @property
    def code_counts(self) -> tuple[int, ...]:
        """The number of codes of each column that became codes: of the last features."""
        chain = self.fitted.get("codes")
        return () if chain is None else tuple(chain.steps[-1][1].counts_)

    @property
    def _of_categories(self) -> tuple[str, ...]:
        return tuple(kind for kind in self._parts if kind != "numeric")

    def parts_of(self, name: str) -> Sequence[DatePart]:
        """The numbers that are made of a column of dates."""
        return self.special.get(name, self._dates)

    def width_of(self, name: str) -> int:
        """How many numbers reach the numeric parts of a column of dates."""
        return width(self.parts_of(name), self._cyclic)

    def fit(
        self,
        source: Source,
        features: Sequence[str],
        rows: np.ndarray,
        name: str,
        targets: np.ndarray | None,
        special: Mapping[str, Sequence[DatePart]] | None = None,
    ) -> None:
        """Learns from `rows` of the source alone.

        Args:
            source: the columns.
            features: which of a frame's columns to take.
            rows: (n,) positions.
            name: what the table is called in messages.
            targets: (n,) of `rows`, negative or NaN where unknown; used by parts that ask for them.
            special: the dates of which other numbers are made than `dates`.

        Raises:
            UserError: a column of another kind, no column with a value, or a part that asks for
                targets where there are none.
        """
        self.special = dict(special or {})
        self._choose(source, features, rows, name)
        blocks = {"numeric": self._numbers_to_fit(source, rows)}
        blocks |= {kind: self._categories(source, rows, kind) for kind in self._of_categories}
        if not any(block.shape[1] for block in blocks.values()):
            raise UserError(
                f"no feature of {name} has a value in the training rows",
                "name others with data.extract.features=[COLUMN, …]",
                key="data.extract.features",
            )
        self.fitted = {
            kind: fit_chain(kind, self._parts[kind], block, targets) for kind, block in blocks.items()
        }
        self._stored().pack(self.fitted)  # what cannot be stored is refused before the training

    def __call__(self, source: Source, name: str) -> np.ndarray:
        """(N, F) float32 features of all rows.

        Raises:
            UserError: a column is missing or holds text for numbers, or the parts leave gaps.
        """
        self._require(source, name)
        values = np.empty((0, 0), dtype=np.float32)
        for first, block in self._blocks(source):
            if not first:
                values = np.empty((len(source), block.shape[1]), dtype=np.float32)
            made = values[first : first + len(block)]
            with np.errstate(over="ignore"):
                made[:] = block
            if not np.isfinite(made).all():
                row = first + int((~np.isfinite(made)).any(axis=1).argmax())
                raise UserError(
                    f"data.transform leaves a value that is missing or infinite in row {row} of {name}",
                    "put an imputer first in data.transform.numeric and data.transform.categorical",
                    key="data.transform",
                )
        return values

    def unseen(self, frame: pd.DataFrame) -> dict[str, list[str]]:
        """By column, the categories in a frame that no fitted row had, as text and sorted.

        Empty where no part keeps the categories that it was fitted on.
        """
        unseen: dict[str, list[str]] = {}
        for kind in self._of_categories:
            if self.columns[kind]:
                unseen |= self._strange(self._categories(frame, slice(None), kind), kind)
        return unseen

    def state(self) -> dict[str, Any]:
        """The fitted parts as plain values and arrays, see `harness.data.transform.fitted_parts`.

        Raises:
            UserError: a part cannot be stored so.
        """
        from safetensors.numpy import save

        packed, arrays = self._stored().pack(self.fitted)
        special = {name: list(parts) for name, parts in self.special.items()}
        return {
            "parts": packed,
            "arrays": save(arrays),
            "columns": self.columns,
            "origins": self.origins,
            "ranges": self.ranges,
            **({"special": special} if special else {}),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Raises UntrustedState: the state holds something that is not built from a file."""
        from safetensors.numpy import load

        if "transformer" in state:  # an earlier version
            self.fitted = skops_file.read(state["transformer"], self._stored())
        else:
            # Compiled code of scikit-learn takes writable memory only.
            arrays = {name: array.copy() for name, array in load(state["arrays"]).items()}
            self.fitted = self._stored().unpack(state["parts"], arrays)
        self.columns, self.origins = state["columns"], state["origins"]
        self.special, self.ranges = state.get("special", {}), state.get("ranges", {})
        if not all({*parts} <= {*get_args(DatePart)} for parts in self.special.values()):
            raise ValueError("what is made of a date is unknown")
        if {*self.columns} != {*self._parts, "dates"} or {*self.fitted} != {*self._parts}:
            raise ValueError("its parts are not those of the configuration")

    def _stored(self) -> Parts:
        return Parts([part for parts in self._parts.values() for part in parts])

    def _choose(self, source: Source, features: Sequence[str], rows: np.ndarray, name: str) -> None:
        """Which columns are of which kind, and the earliest of each date."""
        self.origins = {}
        self.columns = {kind: [] for kind in (*self._parts, "dates")}
        if isinstance(source, np.ndarray):
            self.columns["numeric"] = list(range(source.shape[1]))
            return
        for feature in features:
            column = source[feature]
            kind = kind_of(column, name)
            if kind == "dates" and not self._dates:
                continue
            if kind == "categorical" and self._has_many(column.iloc[rows]):
                kind = "codes"
            if kind == "numeric" or column.iloc[rows].notna().any():
                self.columns[kind].append(feature)
        for feature in self.columns["dates"]:
            self.origins[feature] = float(np.nanmin(days(source[feature].iloc[rows])))

    def _has_many(self, column: pd.Series) -> bool:
        """Whether a column of categories has so many values that they become codes."""
        return self._codes is not None and self._codes[0].frequent(texts(column)) > self._codes[1]

    def _numbers_to_fit(self, source: Source, rows: np.ndarray) -> np.ndarray:
        """(n, F) float64, column by column in memory, as the statistics of the parts read them.

        Columns without a value are left out, and forgotten.
        """
        names = self.columns["numeric"]
        dates = self._date_parts(source, rows)
        values = np.empty((len(rows), len(names) + len(dates)), order="F")
        step = max(1, _CELLS_TO_FIT // len(source))
        for first in range(0, len(names), step):
            group = names[first : first + step]
            values[:, first : first + len(group)] = source_numbers(source, group, rows)
        for position, part in enumerate(dates):
            values[:, len(names) + position] = part
        empty = [position for position in range(len(names)) if np.isnan(values[:, position]).all()]
        if empty:
            names = [name for position, name in enumerate(names) if position not in empty]
            self.columns["numeric"], values = names, np.delete(values, empty, axis=1)
        read = values[:, : len(names)]
        self.ranges = {} if isinstance(source, np.ndarray) else find_ranges(read, names)
        origins = find_origins(read, names)
        if origins:
            self.origins |= origins
            values[:, : len(names)] = without_origins(read, source, names, rows, origins)
        return values

    def _blocks(self, source: Source) -> Iterator[tuple[int, np.ndarray]]:
        """The features of some rows at a time, with the position of the first."""
        first, step = 0, 256  # few at first, which show how wide the features are
        while first < len(source):
            rows = slice(first, first + step)
            parts = []
            if self.fitted["numeric"] is not None:
                read = np.column_stack([self._numeric(source, rows), *self._date_parts(source, rows)])
                parts.append(apply_chain(self.fitted["numeric"], read))
            if self.fitted["categorical"] is not None:
                parts.append(self._encoded(self._categories(source, rows, "categorical")))
            if self.fitted.get("codes") is not None:
                parts.append(apply_chain(self.fitted["codes"], self._categories(source, rows, "codes")))
            block = np.column_stack(parts) if len(parts) > 1 else parts[0]
            yield first, block
            first += step
            step = max(1, _CELLS_AT_ONCE // max(1, block.shape[1], *map(len, self.columns.values())))

    def _numeric(self, source: Source, rows: slice) -> np.ndarray:
        names = self.columns["numeric"]
        return without_origins(source_numbers(source, names, rows), source, names, rows, self.origins)

    def _date_parts(self, source: Source, rows: np.ndarray | slice) -> list[np.ndarray]:
        if isinstance(source, np.ndarray):
            return []
        return [
            part
            for name in self.columns["dates"]
            for part in numbers_of(
                source[name].iloc[rows], self.parts_of(name), self._cyclic, self.origins[name]
            )
        ]

    def _categories(self, source: Source, rows: np.ndarray | slice, kind: str) -> np.ndarray:
        """(n, F) objects, text or NaN."""
        names = self.columns[kind]
        if isinstance(source, np.ndarray) or not names:
            return np.empty((0, 0), dtype=object)
        return np.column_stack([texts(source[name].iloc[rows]) for name in names])

    def _encoded(self, block: np.ndarray) -> np.ndarray:
        """Raises UserError: a category is new, and an encoder refuses new categories."""
        try:
            return apply_chain(self.fitted["categorical"], block)
        except ValueError:
            strange = self._strange(block, "categorical")
            if not strange:
                raise
            column, values = next(iter(strange.items()))
            known = self._known_categories("categorical")[column]
            raise UnknownName(
                f"column {column!r} holds {values[0]!r}, which no training row had, and "
                "data.transform.categorical refuses new categories",
                values[0],
                known,
                key="data.transform.categorical",
            ) from None

    def _strange(self, block: np.ndarray, kind: str) -> dict[str, list[str]]:
        known = self._known_categories(kind)
        unseen = {}
        for position, column in enumerate(self.columns[kind]):
            if column in known:
                values = pd.unique(block[:, position])
                unseen[column] = sorted(str(v) for v in values if not pd.isna(v) and v not in known[column])
        return {column: values for column, values in unseen.items() if values}

    def _known_categories(self, kind: str) -> dict[str, set[str]]:
        """By column, what the first part that keeps categories was fitted on."""
        chain, names = self.fitted[kind], self.columns[kind]
        for part in [] if chain is None or isinstance(chain, str) else chain:
            kept = getattr(part, "categories_", [])
            if len(kept) == len(names):
                return {
                    name: {str(v) for v in values if not pd.isna(v)}
                    for name, values in zip(names, kept, strict=True)
                }
        return {}

    def _require(self, source: Source, name: str) -> None:
        if isinstance(source, pd.DataFrame):
            require(source, [column for columns in self.columns.values() for column in columns], name)
