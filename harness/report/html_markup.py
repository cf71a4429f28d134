"""Markup: text, tables and lists as HTML; whatever comes from data or configuration is escaped here."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """One part of the page.

    title  plain text
    told   a sentence under it, plain text
    body   HTML, escaped by whoever made it
    """

    title: str
    told: str
    body: str


@dataclass(frozen=True)
class Cell:
    """A cell of a table that is no plain text.

    body  HTML, escaped by whoever made it
    sort  what the column is ordered by
    """

    body: str
    sort: float | str = ""


def escaped(text: object) -> str:
    """Text as it may stand in HTML, attributes included."""
    return html.escape(str(text), quote=True)


def short(text: object, most: int = 14) -> str:
    """A long name cut in its middle; not escaped."""
    whole = str(text)
    half = (most - 1) // 2
    return whole if len(whole) <= most else f"{whole[: most - 1 - half]}…{whole[-half:]}"


def table(titles: Sequence[str], rows: Iterable[Sequence[object]], *, words: int = 1) -> str:
    """A table that is ordered by a click on a title; the first `words` columns to the left."""
    kinds = ["" if place < words else ' class="n"' for place in range(len(titles))]
    head = "".join(
        f'<th{kind} scope="col">{escaped(title)}</th>' for kind, title in zip(kinds, titles, strict=True)
    )
    body = "".join(
        f"<tr>{''.join(_cell(cell, kind) for cell, kind in zip(row, kinds, strict=True))}</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table class="sort"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(cell: object, kind: str) -> str:
    if not isinstance(cell, Cell):
        return f"<td{kind}>{escaped(cell)}</td>"
    sort = f' data-v="{escaped(cell.sort)}"' if cell.sort != "" else ""
    return f"<td{kind}{sort}>{cell.body}</td>"


def facts(entries: Mapping[str, object]) -> str:
    """Names and what they are, those left out that are empty."""
    lines = "".join(
        f"<dt>{escaped(name)}</dt><dd>{entry.body if isinstance(entry, Cell) else escaped(entry)}</dd>"
        for name, entry in entries.items()
        if entry not in ("", None)
    )
    return f'<dl class="facts">{lines}</dl>'


def folded(title: str, body: str) -> str:
    """Something long that is opened by a click."""
    return f"<details><summary>{escaped(title)}</summary>{body}</details>"


def code(text: str) -> str:
    """What is typed, or was written in a file."""
    return f"<pre>{escaped(text)}</pre>"


def figures(*drawn: str) -> str:
    """Pictures beside each other as far as there is room."""
    return f'<div class="figures">{"".join(drawn)}</div>'


def figure(drawing: str, caption: str) -> str:
    """A picture and, in plain text, what it shows."""
    return f"<figure>{drawing}<figcaption>{escaped(caption)}</figcaption></figure>"
