"""Comparison: the leaderboard, the differences of two runs, and MLflow's page, from words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.compare import terminal_table
from harness.compare.leaderboard import Board, board
from harness.compare.mlflow_links import links
from harness.compare.select_runs import choose
from harness.compare.two_runs import Changes, sections
from harness.console.text_format import Line


@dataclass(frozen=True)
class Comparison:
    """What `compare` has to say.

    board    of the finished runs
    pair     the labels of exactly two runs, in the order in which they were named; else None
    changes  of two runs, by kind: what differs
    links    (address, what is to be known of it)
    """

    board: Board
    pair: tuple[str, str] | None
    changes: dict[str, Changes]
    links: tuple[tuple[str, str], ...]

    def lines(self, width: int | None) -> Iterator[Line]:
        """For the screen, of `width` columns; None: all of them."""
        yield from terminal_table.table(self.board, width)
        if self.pair is not None:
            yield []
            yield from terminal_table.changes(*self.pair, self.changes)
        if self.links:
            yield []
        for address, told in self.links:
            yield [(f"mlflow  {address}{f'  ({told})' if told else ''}", "")]


def compare(words: Sequence[str], outputs: Path, by: str | None = None, each: bool = False) -> Comparison:
    """Of the runs that the words mean; two of them are never put in one line.

    Raises:
        UserError: as `choose` and `board`.
    """
    runs = choose(words, outputs)
    ranked = board(runs, by, each or len(runs) == 2)
    if len(runs) != 2:
        return Comparison(ranked, None, {}, tuple(links(ranked.runs)))
    old, new = runs
    return Comparison(ranked, (old.label, new.label), sections(old, new), tuple(links(ranked.runs)))
