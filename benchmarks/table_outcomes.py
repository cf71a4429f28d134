"""What the contenders of `benchmarks/tables.py` reached: a JSON file that a later command goes on with."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.table_sets import TARGET, TableSet
from harness.runtime.atomic_file import write_text


@dataclass(frozen=True)
class Outcome:
    """What a contender reached on the folds of a table.

    folds     their number
    settings  digest of the contender's words, or of its package's version
    rows      digest of the parts of all folds, equal for all contenders of a table
    seconds   of CPU for all folds, without the fitted baselines; also reading and scoring
    scores    by name, one of each fold; None where it is undefined
    says      the sentence that names a better baseline, "" without one; None: a contender that says none
    """

    table: str
    contender: str
    folds: int
    settings: str
    rows: str
    seconds: float
    scores: Mapping[str, list[float | None]]
    says: str | None
    versions: Mapping[str, str] | None = None

    def mean(self, metric: str) -> float:
        """The mean over the folds where the score is defined; NaN without any."""
        known = self.values(metric)
        return statistics.fmean(known) if known else float("nan")

    def values(self, metric: str) -> list[float]:
        """The scores of the folds where it is defined."""
        return [value for value in self.scores.get(metric, []) if value is not None]


@dataclass(frozen=True)
class TableFacts:
    """What a reader needs to know of a table.

    rarest  share of the rarest class; None for numbers to predict
    """

    task: str
    rows: int
    columns: int
    classes: int
    rarest: float | None

    @classmethod
    def of(cls, table: TableSet, frame: pd.DataFrame) -> TableFacts:
        """The facts of the rows of a table."""
        shares = frame[TARGET].value_counts(normalize=True) if table.task == "classification" else None
        rarest = None if shares is None else round(float(shares.min()), 4)
        classes = 0 if shares is None else len(shares)
        return cls(table.task, len(frame), frame.shape[1] - 1, classes, rarest)

    @property
    def metric(self) -> str:
        """The score that ranks: R2 of numbers, AUROC of two classes, accuracy of several."""
        return {0: "r2", 2: "auroc"}.get(self.classes, "accuracy")


class Outcomes:
    """The content of the file, written whole with each outcome."""

    def __init__(self, path: Path) -> None:
        self._path = path
        stored: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        self.tables = {name: TableFacts(**facts) for name, facts in stored.get("tables", {}).items()}
        self._found = {(one["table"], one["contender"]): Outcome(**one) for one in stored.get("outcomes", [])}

    def add_table(self, name: str, facts: TableFacts) -> None:
        """Notes the facts of a table."""
        self.tables[name] = facts

    def add(self, outcome: Outcome) -> None:
        """Stores an outcome in place of an earlier one of the same contender and table."""
        self._found[outcome.table, outcome.contender] = outcome
        found = [asdict(self._found[key]) for key in sorted(self._found)]
        for each in found:
            each["seconds"] = round(each["seconds"], 2)
            each["scores"] = {
                name: [None if value is None else round(value, 6) for value in values]
                for name, values in each["scores"].items()
            }
        tables = {name: asdict(self.tables[name]) for name in sorted(self.tables)}
        lines = ",\n".join(json.dumps(each) for each in found)
        write_text(self._path, f'{{"tables": {json.dumps(tables)},\n"outcomes": [\n{lines}\n]}}\n')

    def holds(self, table: str, contender: str, settings: str) -> bool:
        """Whether the outcome was measured with these settings."""
        outcome = self._found.get((table, contender))
        return outcome is not None and outcome.settings == settings

    def by_table(self) -> dict[str, dict[str, Outcome]]:
        """The outcomes of each table by contender."""
        found: dict[str, dict[str, Outcome]] = {}
        for (table, contender), outcome in sorted(self._found.items()):
            found.setdefault(table, {})[contender] = outcome
        return found
