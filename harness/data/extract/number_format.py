"""How numbers are written in a text file."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

_HEXADECIMAL = re.compile(r"\s*[-+]?0[xX][0-9a-fA-F]+\s*")


class NumberFormat(NamedTuple):
    """The marks within numbers.

    decimal    between the whole and the fractional part
    thousands  between groups of three digits; None: nothing
    strip      texts that may be before or behind a number, such as `$` and `kg`
    """

    decimal: str = "."
    thousands: str | None = None
    strip: tuple[str, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether numbers have no marks but the decimal one, so that pandas reads them by itself."""
        return self.thousands is None and not self.strip

    def numbers(self, column: pd.Series, hexadecimal: bool = False) -> pd.Series:
        """(N,) numbers, NaN for a cell that is none; numbers are returned unchanged.

        Args:
            column: (N,) texts, missing where the cell is; or numbers.
            hexadecimal: whether `0x1F` is a number.
        """
        if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
            return column
        text = self._plain_text(column.map(str, na_action="ignore"))  # true and false are no numbers
        values = pd.to_numeric(text, errors="coerce")
        if hexadecimal and values.isna().any():
            values = values.fillna(text.map(_hexadecimal, na_action="ignore").astype(np.float64))
        return values

    def _plain_text(self, text: pd.Series) -> pd.Series:
        """(N,) texts of digits and a decimal point alone."""
        if self.strip:
            units = "|".join(map(re.escape, sorted(self.strip, key=len, reverse=True)))
            around = re.compile(rf"\s*([-+]?)\s*(?:{units})?\s*(.*?)\s*(?:{units})?\s*\Z", re.DOTALL)
            text = text.astype(object).map(lambda cell: around.sub(r"\1\2", cell, 1), "ignore")
            text = text.astype(str).where(text.notna())
        if self.thousands is not None:
            text = text.str.replace(self.thousands, "", regex=False)
        if self.decimal != ".":
            text = text.str.replace(self.decimal, ".", regex=False)
        return text


def _hexadecimal(text: str) -> float:
    return int(text, 16) if _HEXADECIMAL.fullmatch(text) else np.nan
