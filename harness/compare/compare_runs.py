"""The comparison of the runs that are named on the command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.compare import terminal_table
from harness.compare.leaderboard import Leaderboard, rank_runs
from harness.compare.mlflow_links import links
from harness.compare.select_runs import select_runs
from harness.compare.two_runs import Changes, differences
from harness.console.text_format import Line


@dataclass(frozen=True)
class Comparison:
    """The result of `compare`.

    board    the leaderboard of the finished runs
    pair     the labels of exactly two runs, in the order in which they were named; else None
    changes  of two runs: their differences by kind
    links    (address, remark) of MLflow's pages
    """

    board: Leaderboard
    pair: tuple[str, str] | None
    changes: dict[str, Changes]
    links: tuple[tuple[str, str], ...]

    def lines(self, width: int | None) -> Iterator[Line]:
        """For a terminal of `width` columns; None: all columns of the leaderboard."""
        yield from terminal_table.leaderboard_lines(self.board, width)
        if self.pair is not None:
            yield []
            yield from terminal_table.change_lines(*self.pair, self.changes)
        if self.links:
            yield []
        for address, remark in self.links:
            yield [(f"mlflow  {address}{f'  ({remark})' if remark else ''}", "")]


def compare(words: Sequence[str], outputs: Path, by: str | None = None, each: bool = False) -> Comparison:
    """Compares the named runs; two of them always have a line each.

    Raises:
        UserError: as `select_runs` and `rank_runs`.
    """
    runs = select_runs(words, outputs)
    ranked = rank_runs(runs, by, each or len(runs) == 2)
    if len(runs) != 2:
        return Comparison(ranked, None, {}, tuple(links(ranked.runs)))
    old, new = runs
    return Comparison(ranked, (old.label, new.label), differences(old, new), tuple(links(ranked.runs)))
