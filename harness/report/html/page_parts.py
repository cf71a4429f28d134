"""What a page is made of, as plain data: sections of blocks. The templates make escaped HTML of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from harness.report.html.chart import Drawing


class Block:
    """A piece of a section. `macro` names the macro in `blocks.html.j2` that draws it."""

    macro: ClassVar[str]


@dataclass(frozen=True)
class Cell:
    """A table cell that is sorted by a value of its own.

    text  what is shown; Markup is inserted as it is
    sort  what the column is ordered by; None and NaN come last
    """

    text: object
    sort: float | str | None = None


@dataclass(frozen=True)
class Table(Block):
    """A table; a click on a column's title sorts it.

    rows   cells: plain values or `Cell`s
    words  how many columns, from the first, are aligned to the left
    notes  text that appears when the pointer rests on a title
    wrap   whether long cells are wrapped
    """

    titles: Sequence[str]
    rows: Sequence[Sequence[object]]
    words: int = 1
    notes: Mapping[str, str] = field(default_factory=dict)
    wrap: bool = False
    macro: ClassVar[str] = "table"


@dataclass(frozen=True)
class Heading(Block):
    """A title within a section."""

    text: str
    macro: ClassVar[str] = "heading"


@dataclass(frozen=True)
class Text(Block):
    """A paragraph. `kind` is a class of the style sheet: "", "dim" or "error"."""

    text: object
    kind: str = ""
    macro: ClassVar[str] = "paragraph"


@dataclass(frozen=True)
class Link(Block):
    """A link and a remark behind it."""

    address: str
    text: str
    remark: str = ""
    macro: ClassVar[str] = "link"


@dataclass(frozen=True)
class Code(Block):
    """A command, or the content of a file."""

    text: str
    macro: ClassVar[str] = "code"


@dataclass(frozen=True)
class Facts(Block):
    """Names with their values; empty values are left out."""

    entries: Mapping[str, object]
    macro: ClassVar[str] = "facts"


@dataclass(frozen=True)
class Tile:
    """A number in large type, its name, and a remark. `kind` is "main" for the most important one."""

    value: str
    name: str
    remark: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Tiles(Block):
    """Numbers side by side."""

    tiles: Sequence[Tile]
    macro: ClassVar[str] = "tiles"


@dataclass(frozen=True)
class Details(Block):
    """Something long that is opened by a click."""

    title: str
    blocks: Sequence[Block]
    macro: ClassVar[str] = "details"


@dataclass(frozen=True)
class Checks(Block):
    """A list of findings, each with `severity`, `check` and `sentence`."""

    findings: Sequence[Mapping[str, object]]
    macro: ClassVar[str] = "checks"


@dataclass(frozen=True)
class Changes(Block):
    """What differs between two versions: name -> (old, new)."""

    entries: Mapping[str, tuple[str, str]]
    macro: ClassVar[str] = "changes"


@dataclass(frozen=True)
class Card:
    """A picture of a row and what the model predicted for it. `image` is a `data:` address, or None."""

    row: int
    image: str | None
    prediction: str
    target: str
    remarks: Sequence[str]


@dataclass(frozen=True)
class Cards(Block):
    """Pictures of rows side by side."""

    cards: Sequence[Card]
    macro: ClassVar[str] = "cards"


@dataclass(frozen=True)
class Figure:
    """SVG drawings below each other, and what they show."""

    drawings: Sequence[Drawing]
    caption: str = ""


@dataclass(frozen=True)
class Figures(Block):
    """Figures side by side as far as there is room."""

    figures: Sequence[Figure]
    macro: ClassVar[str] = "figures"


@dataclass(frozen=True)
class Interactive(Block):
    """Figures that `plotly_figure` draws in the reader's browser.

    figures  in Plotly's JSON
    tiles    whether they are small and side by side
    least    width in pixels below which a figure is scrolled and not made narrower
    """

    figures: Sequence[dict[str, Any]]
    tiles: bool = False
    least: int = 0
    macro: ClassVar[str] = "interactive"


@dataclass(frozen=True)
class Section:
    """One part of a page.

    text    a sentence below the title
    blocks  what follows it
    wide    whether it takes the whole width of a page that has two columns
    """

    title: str
    text: str = ""
    blocks: Sequence[Block] = ()
    wide: bool = False


@dataclass(frozen=True)
class Page:
    """A whole page.

    kind      a word above the title, such as "run"
    status    an outcome beside it, as (text, "good" | "bad" | "odd")
    lead      blocks below the title
    columns   whether sections are side by side if there is room
    reload    seconds after which the page reads itself again; None: never
    """

    title: str
    kind: str
    sections: Sequence[Section]
    status: tuple[str, str] | None = None
    lead: Sequence[Block] = ()
    columns: bool = False
    reload: float | None = None
