"""A comparison of runs, as `harness.api.compare` returns it, with its leaderboards as tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.compare.compare_runs import Comparison
from harness.compare.leaderboard import Leaderboard
from harness.notebook.html_table import shown


@dataclass(frozen=True)
class Compared(Comparison):
    """A comparison with tables."""

    @classmethod
    def of(cls, comparison: Comparison) -> Compared:
        """The same with tables."""
        fields: dict[str, Any] = dict(vars(comparison))
        return cls(**fields)

    def frame(self) -> pd.DataFrame:
        """The leaderboards below each other, a row per run or per runs of several seeds, not rounded."""
        return pd.concat([board.frame() for board in self.boards], ignore_index=True)

    def _repr_html_(self) -> str:
        notes = [*("" for _ in self.boards[1:]), "; ".join([*self.remarks, *self.worth])]
        return "\n".join(
            shown(f"{board.data} by {board.score}", {"better": board.better}, _short(board), note)
            for board, note in zip(self.boards, notes, strict=True)
        )


def _short(board: Leaderboard) -> pd.DataFrame:
    """The columns that fit on a screen."""
    over = [f"{board.score} {end} over {what}" for what in ("folds", "seeds") for end in ("low", "high")]
    wanted = ["run", "name", "seeds", "folds", board.score, *over, "difference", "p_holm"]
    frame = board.frame().set_index("place")
    return frame[[name for name in wanted if name in frame]].dropna(axis="columns", how="all")
