"""The types of the columns of a text file: as declared, or as their cells show."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from harness.core.errors import UserError
from harness.core.typed_override import typed
from harness.data.extract import date_disguise, number_disguise
from harness.data.extract.column_roles import Roles
from harness.data.extract.column_types import WORDS, Type, converted, dates, number_or_text, odd_row
from harness.data.extract.text_file_format import TextFormat, is_text
from harness.data.extract.text_lines import Places


class CellTypes:
    """Gives the columns of a frame of texts and numbers their types.

    Args:
        form: how numbers and dates are written.
        types: by column, the declared ones.
        roles: the roles of columns; a group or an id stays text, and a target is no date.
    """

    def __init__(self, form: TextFormat, types: Mapping[str, Type], roles: Roles) -> None:
        self._format, self._types, self._roles = form, types, roles

    def typed(self, frame: pd.DataFrame, places: Places) -> pd.DataFrame:
        """The frame with its columns converted in place.

        Args:
            places: where its rows are, for errors.

        Raises:
            UserError: a cell does not fit the type of its column, or a column is written in another way.
        """
        disguises = []
        for column in frame.columns:
            frame[column] = self._format.trimmed(frame[column])
            kind = self._types.get(column)
            if kind is not None:
                frame[column] = self._declared(frame[column], kind, places)
            elif not is_text(frame[column]) or column in self._roles.drop:
                continue
            elif column in (self._roles.group, self._roles.id):
                frame[column] = number_or_text(frame[column])
            else:
                frame[column] = self._numbers(frame[column])
                if is_text(frame[column]) and self._recognises(column):
                    disguise = number_disguise.disguise(frame[column])
                    disguises += [disguise] if disguise is not None else []
        if disguises:
            raise number_disguise.error(disguises, self._format.numbers, self._declared_as("text"))
        for column in frame.columns:
            open_type = column not in self._types and column not in (self._roles.group, self._roles.id)
            if open_type and column not in self._roles.drop and is_text(frame[column]):
                self._require_one_type(frame[column], places)
                if self._recognises(column):
                    frame[column] = self._dates(frame[column])
        return frame

    def _declared_as(self, kind: Type) -> list[str]:
        return [column for column, declared in self._types.items() if declared == kind]

    def _recognises(self, column: str) -> bool:
        """Whether a column without a declared type is a number or a date if all its cells are."""
        if not self._format.recognise:
            return False
        used = self._roles.features
        if used is None:
            return column not in self._roles.keep
        return column in (*used, *self._roles.targets, self._roles.time)

    def _numbers(self, column: pd.Series) -> pd.Series:
        """The column as numbers if all its cells are."""
        if self._format.numbers.plain and not self._format.dialect.trim:
            return column  # pandas has converted what can be
        numbers = self._format.numbers.numbers(column)
        return column if (numbers.isna() & column.notna()).any() else numbers

    def _dates(self, column: pd.Series) -> pd.Series:
        """The column as dates if all its cells are.

        Raises:
            UserError: they are, and in another order than that of ISO 8601.
        """
        if column.name in self._roles.targets or not is_text(column):
            return column
        if date_disguise.is_iso(column):
            moments = dates(column, None)
            return column if (moments.isna() & column.notna()).any() else moments
        formats = date_disguise.date_formats(column)
        if not formats:
            return column
        example = str(column.dropna().iloc[0])
        declared = self._declared_as("date"), self._declared_as("text")
        raise date_disguise.error(str(column.name), example, formats, *declared)

    def _declared(self, column: pd.Series, kind: Type, places: Places) -> pd.Series:
        values, row = converted(column, kind, self._format.numbers, self._format.date_format)
        if row < 0:
            return values
        key = "date_format" if kind == "date" else "types"
        form = f" written {self._format.date_format or 'as in ISO 8601'}" if kind == "date" else ""
        cell = str(column.iloc[row])
        raise UserError(
            f"column {str(column.name)!r} must hold {WORDS[kind]}{form}, and {places.of(row)} holds {cell!r}",
            f"correct it, count it as missing with {self._missing(cell)}, or change data.extract.{key}",
        )

    def _require_one_type(self, column: pd.Series, places: Places) -> None:
        """Raises UserError: most cells are numbers, and one is not."""
        row = odd_row(column, self._format.numbers)
        if row >= 0:
            cell = str(column.iloc[row])
            keep = typed("data.extract.texts", [*self._declared_as("text"), str(column.name)])
            raise UserError(
                f"column {str(column.name)!r} holds numbers, and {places.of(row)} the text {cell!r}",
                f"correct it, count it as missing with {self._missing(cell)}, or keep it as text with {keep}",
            )

    def _missing(self, cell: str) -> str:
        return typed("data.extract.missing", [*self._format.own_missing, cell])
