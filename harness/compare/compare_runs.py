"""The comparison of the runs that are named on the command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.compare import terminal_table
from harness.compare.data_groups import rank_by_data
from harness.compare.leaderboard import Leaderboard
from harness.compare.mlflow_links import links
from harness.compare.select_runs import select_runs
from harness.compare.sweep_worth import best_scores
from harness.compare.two_runs import Changes, differences
from harness.console.text_format import Line
from harness.core.name_list import listed


@dataclass(frozen=True)
class Comparison:
    """The result of `compare`.

    boards   the leaderboards of the finished runs, one for each data set
    pair     the labels of exactly two runs, in the order in which they were named; else None
    changes  of two runs: their differences by kind
    links    (address, remark) of MLflow's pages
    unscored the names of data sets whose runs do not have the score that was named
    worth    sentences on what the best score of each named sweep is worth
    """

    boards: tuple[Leaderboard, ...]
    pair: tuple[str, str] | None
    changes: dict[str, Changes]
    links: tuple[tuple[str, str], ...]
    unscored: tuple[str, ...] = ()
    worth: tuple[str, ...] = ()

    @property
    def remarks(self) -> Iterator[str]:
        """On the boards together."""
        if len(self.boards) > 1:
            yield "scores of different data sets have no common order, so each data set has its own table"
        if self.unscored:
            yield f"no run has this score on {listed(self.unscored)}"

    def lines(self, width: int | None) -> Iterator[Line]:
        """For a terminal of `width` columns; None: for a file."""
        for board in self.boards:
            if len(self.boards) > 1:
                yield [(f"data set {board.data} by {board.score}", "bold")]
            yield from terminal_table.leaderboard_lines(board, width)
            if len(self.boards) > 1:
                yield []
        yield from ([(remark, "dim")] for remark in self.remarks)
        yield from ([(sentence, "")] for sentence in self.worth)
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
        UserError: as `select_runs` and `rank_by_data`.
    """
    runs = select_runs(words, outputs)
    boards, unscored = rank_by_data(runs, by, each or len(runs) == 2)
    pages = tuple(links([run for board in boards for run in board.runs]))
    worth = tuple(best_scores(words, outputs))
    if len(runs) != 2:
        return Comparison(boards, None, {}, pages, unscored, worth)
    old, new = runs
    return Comparison(boards, (old.label, new.label), differences(old, new), pages, unscored, worth)
