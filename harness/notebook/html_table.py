"""The short HTML with which a notebook shows an object; texts are escaped."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import pandas as pd

MOST_ROWS = 20


def shown(title: str, facts: Mapping[str, object], table: pd.DataFrame, note: str = "") -> str:
    """A heading, a line of facts, a table of `MOST_ROWS` rows at most, and a note below it.

    Args:
        facts: those that are None or empty are left out.
    """
    named = [
        f"{escape(name)} {escape(str(value))}" for name, value in facts.items() if value not in (None, "")
    ]
    rest = len(table) - MOST_ROWS
    more = [f"{rest} more rows"] if rest > 0 else []
    body = table.head(MOST_ROWS).to_html(border=0, na_rep="", float_format=lambda value: f"{value:.4g}")
    below = "; ".join([*more, *([escape(note)] if note else [])])
    lines = [f"<b>{escape(title)}</b>", " · ".join(named), body, f"<small>{below}</small>" if below else ""]
    return "\n".join(f"<div>{line}</div>" for line in lines if line)
