"""How a text file is written: its lines, what counts as missing, and its numbers and dates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.data.extract.number_format import NumberFormat
from harness.data.extract.text_lines import Dialect

USUAL_MISSING = ("", "NA", "N/A", "#N/A", "NaN", "nan", "NULL", "null")


_PLAIN = NumberFormat()


@dataclass(frozen=True)
class TextFormat:
    """The settings of a text file that its training rows and the rows to predict have in common.

    dialect      lines, separator, encoding
    missing      the cell texts that count as missing
    own_missing  those of them that are given besides the usual ones
    numbers      how numbers are written
    date_format  of the columns that are declared as dates, as of `strptime`; None: ISO 8601
    recognise    whether columns of ISO 8601 dates are dates without being declared
    """

    dialect: Dialect
    missing: tuple[str, ...] = USUAL_MISSING
    own_missing: tuple[str, ...] = ()
    numbers: NumberFormat = _PLAIN
    date_format: str | None = None
    recognise: bool = False

    @classmethod
    def of(cls, settings: Mapping[str, Any], separator: str = ",") -> TextFormat:
        """Of the settings of an extractor; a setting that did not exist when they were stored has no effect.

        Args:
            settings: those of `Csv`, or of another source.
            separator: where they name none.
        """
        if "separator" not in settings:
            return cls(Dialect(separator, "utf-8"))
        names = settings.get("names")
        return cls(
            Dialect(
                {"\\t": "\t"}.get(settings["separator"], settings["separator"]),
                settings["encoding"],
                bool(settings.get("header", True)),
                None if names is None else tuple(names),
                settings.get("skip_rows", 0),
                settings.get("comment"),
                bool(settings.get("trim", False)),
            ),
            (*settings.get("usual_missing", ()), *settings["missing"]),
            tuple(settings["missing"]),
            NumberFormat(settings["decimal"], settings.get("thousands"), tuple(settings.get("strip", ()))),
            settings.get("date_format"),
            bool(settings.get("recognise", False)),
        )

    def trimmed(self, column: pd.Series) -> pd.Series:
        """(N,) texts without blanks around them, missing where that leaves a cell that counts as missing.

        A column of other values is returned unchanged.
        """
        if not self.dialect.trim or not is_text(column):
            return column
        column = column.str.strip()
        return column.mask(column.isin(self.missing))


def is_text(column: pd.Series) -> bool:
    """Whether all known cells are texts, and there are some."""
    if column.isna().all():
        return False
    string = isinstance(column.dtype, pd.StringDtype)
    return string or (column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) == "string")
