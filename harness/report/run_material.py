"""What a page about a run is made of, read from the run's folder when it is first needed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from typing_extensions import TypedDict

from harness.config.metric_settings import directions
from harness.core.epoch_ranking import EpochRanking
from harness.core.table import Table
from harness.report.predicted_rows import PredictedRows, read_predictions
from harness.report.training_charts import History
from harness.runs.fold_rows import read_rows
from harness.runs.look_ledger import LookLedger
from harness.runs.look_optimism import look_sentence
from harness.runs.run_result import Result, Summary
from harness.runs.stored_importance import read_importance
from harness.runs.stored_run import StoredRun
from harness.runs.stored_tables import read_fold_scores
from harness.runtime.stored_file import read_json


class Check(TypedDict):
    """A finding of the leakage checks, as it is stored."""

    check: str
    severity: str
    sentence: str


@dataclass(frozen=True)
class RunMaterial:
    """One run, or one of its folds.

    logged    the run
    table     its rows as they were extracted, or None
    absent    why there is no table; empty where there is one
    thorough  whether slow computations are allowed: at the end of a run the user waits for the page
    made      the run's predictions, where the process that made them writes the page; else they are read
    ledger    of the test rows, which knows for which run a seal was opened; None: the page says nothing of it
    """

    logged: StoredRun
    table: Table | None = None
    absent: str = ""
    thorough: bool = False
    made: PredictedRows | None = None
    ledger: LookLedger | None = None

    @property
    def fold(self) -> int | None:
        """The one fold that the page is about; None: all."""
        return self.logged.fold

    @cached_property
    def config(self) -> dict[str, Any]:
        """The configuration, its references to the environment as text; {} where it is gone."""
        return self.logged.plain_config if self.logged.config_file.exists() else {}

    @property
    def result(self) -> Result | None:
        """None of a run that still works, or was killed."""
        return self.logged.result

    @property
    def monitor(self) -> str:
        """The score that stands for the training."""
        return str(self.config.get("trainer", {}).get("monitor", ""))

    @cached_property
    def ranking(self) -> EpochRanking:
        """By which the best epoch was chosen."""
        return EpochRanking.stored(self.config, directions(self.config))

    @cached_property
    def scores(self) -> dict[str, Summary]:
        """By full name, as `summarise` gives them; of one fold its own values."""
        if self.fold is None:
            return {} if self.result is None else self.result.scores
        rows = {} if self.folds is None else self.folds.set_index("fold").to_dict("index")
        values = rows.get(self.fold, {})
        return {
            str(name): {"mean": value, "std": None, "ci95": None, "folds": [value]}
            for name, value in values.items()
            if not math.isnan(value)
        }

    @property
    def looks(self) -> str:
        """The sentence on looks at the test rows, or on their seal; "" where there is none."""
        if self.result is None:
            return ""
        test_rows, label = self.result.test_rows, self.logged.label
        opened = None if self.ledger is None else self.ledger.opened_for_another(test_rows, label)
        return look_sentence(test_rows, label, opened, self.result.status == "finished")

    @cached_property
    def folds(self) -> pd.DataFrame | None:
        """A line per finished fold, with its scores; None of a run of one fold."""
        return read_fold_scores(self.logged.folder)

    @cached_property
    def predictions(self) -> PredictedRows | None:
        """The predicted rows; None where nothing was predicted."""
        if self.made is not None:
            return self.made
        bins = int((self.config.get("evaluate") or {}).get("bins", 15))
        return read_predictions(self.logged.folder, self.fold, bins)

    @property
    def kind(self) -> str:
        """The kind of the predictions, as in `PredictedRows.kind`; "" without any."""
        return "" if self.predictions is None else self.predictions.kind

    @cached_property
    def checks(self) -> list[Check]:
        """The findings of the leakage checks."""
        try:
            return list(read_json(self.logged.folder / "checks.json", list[Check]))
        except FileNotFoundError:
            return []

    @cached_property
    def columns(self) -> list[list[str]]:
        """What was understood of the columns of a table, its titles first; [] of images and earlier runs."""
        try:
            stored = read_json(self.logged.folder / "columns.json", dict[str, list[Any]])
        except FileNotFoundError:
            return []
        return [stored["titles"], *stored["columns"]] if {*stored} == {"titles", "columns"} else []

    def importance(self, name: str) -> pd.DataFrame | None:
        """The lines of `IMPORTANCE` or `CURVES`; None where it was not computed, and for a fold alone."""
        return None if self.fold is not None else read_importance(self.logged.folder, name)

    @cached_property
    def parts(self) -> dict[int, np.ndarray]:
        """Fold -> (rows,) uint8: 0 no part, 1 train, 2 valid, 3 test, 4 unlabelled."""
        stored = read_rows(self.logged.folder)
        by_fold = {} if stored is None else dict(zip(stored.number.tolist(), stored.parts, strict=True))
        return {n: parts for n, parts in by_fold.items() if self.fold in (None, n)}

    @cached_property
    def histories(self) -> dict[str, History]:
        """The epochs of each fold in the journal; a run of one fold is called ""."""
        histories: dict[str, dict[int, dict[str, float]]] = {}
        own = None if self.fold is None else f"fold-{self.fold}"
        for event in self.logged.events:
            if event["event"] != "metrics" or own not in (None, event["run"]):
                continue
            values = {name: float(value) for name, value in event["values"].items()}
            # The last line of a fold holds its final scores and is no epoch.
            if "train/loss" in values and "model/parameters" not in values:
                histories.setdefault(event["run"], {}).setdefault(event["step"], {}).update(values)
        return dict(histories)

    def best_epoch(self, key: str) -> int | None:
        """The epoch whose weights a fold kept."""
        return self.ranking.best(self.histories[key])

    @property
    def model(self) -> tuple[int, Path] | None:
        """The first fold whose model was kept, and the folder of that model."""
        return next(iter(self.logged.models.items()), None)


def chosen(config: Mapping[str, Any], *keys: str) -> str:
    """The class that a node names, without its module: `chosen(config, "data", "extract")`."""
    node: Any = config
    for key in keys:
        node = node.get(key, {}) if isinstance(node, Mapping) else {}
    return str(node.get("_target_", "")).rpartition(".")[2] if isinstance(node, Mapping) else ""
