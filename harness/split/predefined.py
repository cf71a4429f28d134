"""Predefined: a column of the table says which part or fold each row belongs to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from harness.core.errors import UnknownName, UserError
from harness.core.fold import Fold
from harness.core.name_list import listed
from harness.core.part_words import part_columns
from harness.core.table import Table
from harness.core.typed_override import typed
from harness.split.fold_rounds import require_fold
from harness.split.group_rows import group_codes, without_held_out_groups
from harness.split.holdout_part import cut_groups, cut_rows, require_fraction, require_seed
from harness.split.splittable_rows import divide, strata

PARTS = ("train", "valid", "test")


class Predefined:
    """The parts, or the folds, that a benchmark or an earlier study fixed.

    The column holds either words for the parts, which make one fold, or the whole numbers 0 … k-1,
    which make k: fold i tests on the rows of number i. Where it names no row that validates, `valid` of
    the training rows do. An unlabelled row trains unless it is named for another part, or its number
    is the one that tests.

    Args:
        column: its name; a column of the table that is no feature. The command line sets it where only one
            such column holds usual words for parts.
        words: the value, or values, that mean `train`, `valid` and `test`.
        fold: only this one, 0-based; None for all.
        valid: in [0, 1), the fraction of the training rows that validates where the column names none.
        stratify: keep the proportions of the classes in that part; without classes it is by row.
        grouped: whether the column never divides a group, so that `valid` must not either; it is then
            a fraction of the groups, and the classes do not matter.
        seed: of the choice of the rows that validate.
    """

    def __init__(
        self,
        *,
        column: str | None,
        words: dict[str, str | int | list[str | int]],
        fold: int | None,
        valid: float,
        stratify: bool,
        grouped: bool,
        seed: int,
    ) -> None:
        if fold is not None and fold < 0:
            raise ValueError(f"fold must be 0 or more, got {fold}")
        require_fraction("valid", valid)
        require_seed(seed)
        self.column, self.parts = column, _meanings(words)
        self.fold, self.valid, self.seed = fold, valid, seed
        self.stratify, self.grouped = stratify, grouped

    def __call__(self, table: Table) -> list[Fold]:
        """Raises UserError: no such column, a feature or target, a value of no part, or an empty part."""
        rows, unlabelled = divide(table)
        values = self._values(table, rows)
        count = self._numbered(values, rows, table)
        require_fold(self.fold, count or 1)
        folds = []
        for number in range(count or 1) if self.fold is None else [self.fold]:
            parts = self._parts_of(values, number if count else None)
            folds.append(self._fold(number, parts, table, rows, unlabelled))
        return folds

    def _values(self, table: Table, rows: np.ndarray) -> np.ndarray:
        """(N,) the values of the column as text, "" where one is missing."""
        columns = [str(name) for name in table.frame.columns]
        if self.column is None:
            raise UserError(
                "split=predefined needs the column that names the parts",
                _advice(table),
                key="split.column",
            )
        if self.column not in columns:
            raise UnknownName(
                f"split.column names the column {self.column!r}, which {table.name} does not have",
                self.column,
                columns,
                key="split.column",
            )
        if self.column in (*table.features, *table.target):
            target = self.column in table.target
            remedy = (
                "take it out of data.extract.target"
                if target
                else f"set {typed('data.extract.keep', [self.column])}"
            )
            raise UserError(
                f"split.column={self.column} must name a column that a model neither sees nor predicts, and "
                f"it {'is the target' if target else 'is a feature'} of {table.name}",
                remedy,
                key="split.column",
            )
        codes, distinct = pd.factorize(table.frame[self.column])
        values = np.array([*map(_text, distinct), ""])[codes]  # the code of a missing value is -1
        empty = int((values[rows] == "").sum())
        if empty:
            raise UserError(
                f"split.column={self.column} must have a value in every labelled row, and is empty in "
                f"{empty} of {table.name}",
                "fill it in, or drop those rows",
                key="split.column",
            )
        return values

    def _numbered(self, values: np.ndarray, rows: np.ndarray, table: Table) -> int | None:
        """How many folds the values of the labelled rows number; None where they are words for parts."""
        distinct = sorted(set(values[values != ""]))
        if not set(distinct) & self.parts.keys() and all(_is_whole(value) for value in distinct):
            numbers = sorted(map(int, set(values[rows])))
            if numbers != list(range(len(numbers))) or len(numbers) < 2:
                raise UserError(
                    f"split.column={self.column} must number two or more folds 0, 1, 2 … without a gap, and "
                    f"that of {table.name} holds {listed(numbers, most=20)}",
                    "renumber them",
                    key="split.column",
                )
            return len(numbers)
        for value in distinct:
            if value not in self.parts:
                raise UnknownName(
                    f"split.column={self.column} of {table.name} holds {str(value)!r}, which names no part",
                    value,
                    self.parts,
                    hint="Other words go into split.words.train, .valid or .test.",
                    key="split.column",
                )
        return None

    def _parts_of(self, values: np.ndarray, number: int | None) -> np.ndarray:
        """(N,) "train", "valid" or "test" for each row, "" where it has no value."""
        if number is None:
            return np.array([self.parts.get(value, "") for value in values])
        return np.where(values == "", "", np.where(values == str(number), "test", "train"))

    def _fold(
        self, number: int, parts: np.ndarray, table: Table, rows: np.ndarray, unlabelled: np.ndarray
    ) -> Fold:
        train, valid, test = (rows[parts[rows] == part] for part in PARTS)
        if not len(train):
            raise UserError(
                f"split.column={self.column} of {table.name} leaves no labelled row to train on",
                "give some a "
                f"value of split.words.train: {', '.join(self._words('train')) or 'there are none'}",
                key="split.column",
            )
        if not len(valid):
            chosen = self._cut(table, train, number)
            train, valid = train[~chosen], train[chosen]
        kept = unlabelled[np.isin(parts[unlabelled], ["train", ""])]
        fold = Fold(number, train, valid, test, kept)
        return without_held_out_groups(fold, group_codes(table)) if self.grouped else fold

    def _cut(self, table: Table, train: np.ndarray, number: int) -> np.ndarray:
        rng = np.random.RandomState([self.seed, number])
        if self.grouped:
            return cut_groups(group_codes(table)[train], self.valid, "valid", rng)
        return cut_rows(strata(table, train, self.stratify), self.valid, "valid", rng)

    def _words(self, part: str) -> list[str]:
        return [word for word, name in self.parts.items() if name == part]


def _meanings(words: Mapping[str, str | int | list[str | int]]) -> dict[str, str]:
    """The part that each value names."""
    for part in words:
        if part not in PARTS:
            raise ValueError(f"words must be given for train, valid and test, got {part!r}")
    stands: dict[str, str] = {}
    for part, values in words.items():
        for value in map(str, values if isinstance(values, list) else [values]):
            if stands.setdefault(value, part) != part:
                raise ValueError(
                    f"words must stand for one part each, got {value!r} for {stands[value]} and {part}"
                )
    return stands


def _advice(table: Table) -> str:
    """The settings that name the column, if the table has one with usual words for parts."""
    if not (columns := part_columns(table)):
        return "give split.column=COLUMN"
    advice = f"give {typed('split.column', next(iter(columns)))}"
    features = [name for name in columns if name in table.features][:1]
    return f"{advice} and {typed('data.extract.keep', features)}" if features else advice


def _is_whole(value: str) -> bool:
    return value.isascii() and value.isdecimal() and value == str(int(value))


def _text(value: object) -> str:
    """`3` for 3 and for 3.0, which is what a column of whole numbers with gaps is read as."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
