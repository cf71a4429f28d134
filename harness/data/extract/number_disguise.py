"""Recognises texts that are numbers written in another way: `$1,250.00`, `100,6`, `12 kg`, `5 %`, `0x1F`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from harness.core.errors import UserError
from harness.core.typed_override import typed, typed_item
from harness.data.extract.number_format import NumberFormat

_SAMPLE = 2_000

_AROUND = re.compile(
    r"(?P<sign>[-+]?)(?P<before>[^\w\s.,'+-]|[A-Z]{3} |)\s*(?P<number>[-+]?\d[\d.,' \u00a0\u202f]*?)"
    r"\s*(?P<behind>[^\W\d_][^\d\s]{0,7}|[^\w\s.,'+-][^\d\s]{0,3}|)"
)
_HEXADECIMAL = re.compile(r"[-+]?0[xX][0-9a-fA-F]+")


def _grouped(thousands: str, decimal: str) -> str:
    return (
        rf"\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+(?:{re.escape(decimal)}\d+)?"
        rf"|\d{{1,3}}(?:{re.escape(decimal)}\d+)?"
    )


_FORMATS = [
    (None, ".", r"\d+(?:\.\d+)?"),
    (",", ".", _grouped(",", ".")),
    (None, ",", r"\d+(?:,\d+)?"),
    (".", ",", _grouped(".", ",")),
    *(
        (mark, point, _grouped(mark, point))
        for mark in (" ", "'", "\u00a0", "\u202f")
        for point in (".", ",")
    ),
]
"""Mark between thousands, decimal mark, and how all numbers look; the first that fits is taken."""


class Disguise(NamedTuple):
    """A column of texts that are numbers.

    column       its name
    example      a cell
    form         how the numbers are written; None: in hexadecimal digits
    """

    column: str
    example: str
    form: NumberFormat | None


def disguise(column: pd.Series) -> Disguise | None:
    """How the numbers of a column of texts are written; None: some texts are no numbers.

    Args:
        column: (N,) texts, missing where the cell is.
    """
    known = column.dropna()
    cells = [str(cell).strip() for cell in known.iloc[:: max(1, len(known) // _SAMPLE)]]
    if not cells:
        return None
    if all(_HEXADECIMAL.fullmatch(cell) for cell in cells):
        return Disguise(str(column.name), cells[0], None)
    parts = [_AROUND.fullmatch(cell) for cell in cells]
    numeric = [part for part in parts if part is not None]
    before, behind = ({part[side].strip() for part in numeric} for side in ("before", "behind"))
    # A number without the unit of all others, as in "0" and "5 %", is one in the same unit.
    units = [side - {""} for side in (before, behind)]
    with_unit = sum(bool(part["before"].strip() or part["behind"]) for part in numeric)
    if any(units) and with_unit <= len(cells) / 2:
        return None
    if len(numeric) < len(cells) or max(map(len, units)) > 1 or not all(map(_is_currency, before)):
        return None
    numbers = [part["number"].lstrip("+-") for part in numeric]
    for thousands, decimal, pattern in _FORMATS:
        if all(re.fullmatch(pattern, number) for number in numbers):
            strip = tuple(unit for side in units for unit in side)
            example = max(cells, key=len) if len(max(cells, key=len)) < 30 else cells[0]
            return Disguise(str(column.name), example, NumberFormat(decimal, thousands, strip))
    return None


def error(disguises: Sequence[Disguise], now: NumberFormat, texts: Sequence[str]) -> UserError:
    """The error for columns of numbers in disguise, with the settings that read them.

    Args:
        disguises: one column or more.
        now: how numbers are read now.
        texts: the columns that are kept as text already.
    """
    first = next((one.form for one in disguises if one.form is not None), now)
    same = [
        one
        for one in disguises
        if one.form is None
        or (one.form.decimal, one.form.thousands) in {(first.decimal, first.thousands), (".", None)}
    ]
    names = ", ".join(f"{one.column!r} ({one.example!r})" for one in same)
    settings = " ".join(_settings(same, now))
    keep = typed("data.extract.texts", [*texts, *(one.column for one in same)])
    return UserError(
        f"column{'s' * (len(same) > 1)} {names} hold{'s' * (len(same) == 1)} numbers written in another way "
        "than data.extract says",
        f"read them with {settings}, or keep them as text with {keep}",
        key="data.extract",
    )


def _settings(disguises: Sequence[Disguise], now: NumberFormat) -> list[str]:
    forms = [one.form for one in disguises if one.form is not None]
    strip = dict.fromkeys([*now.strip, *(unit for form in forms for unit in form.strip)])
    thousands = next((form.thousands for form in forms if form.thousands is not None), now.thousands)
    decimals = [form.decimal for form in forms if form.decimal != "."]
    decimal = decimals[0] if decimals else "." if thousands == "," else now.decimal
    settings = []
    if len(strip) > len(now.strip):
        settings.append(typed("data.extract.strip", strip))
    if thousands != now.thousands:
        settings.append(typed("data.extract.thousands", thousands))
    if decimal != now.decimal:
        settings.append(typed("data.extract.decimal", decimal))
    hexadecimal = [one.column for one in disguises if one.form is None]
    return settings + [typed_item("data.extract.types", column, "int") for column in hexadecimal]


def _is_currency(before: str) -> bool:
    """Whether what is before a number is a currency, and not part of a name such as `#7`."""
    return not before or before.isalpha() or unicodedata.category(before) == "Sc"
