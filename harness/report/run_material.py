"""Material: everything that a page tells of, as the run's folder holds it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from harness.core.scores import direction
from harness.core.table import Table
from harness.runs.fold_rows import ROWS
from harness.runs.run_result import Result, Summary
from harness.runs.stored_run import Logged

History = dict[int, dict[str, float]]
"""Epoch -> its scores."""


@dataclass(frozen=True)
class Material:
    """Of one run, or of one of its folds; nothing is read before it is asked for.

    logged    the run
    table     its rows as they were extracted, or None
    absent    why there are none; empty where there are
    thorough  whether what takes long may be done: nobody waits for a run to end
    """

    logged: Logged
    table: Table | None = None
    absent: str = ""
    thorough: bool = False

    @property
    def fold(self) -> int | None:
        """The one fold that is told of; None: all."""
        return self.logged.fold

    @cached_property
    def config(self) -> dict[str, Any]:
        """The configuration, its references to the environment as text; {} where it is gone."""
        try:
            loaded = yaml.safe_load((self.logged.folder / "config.yaml").read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError):
            return {}
        return loaded if isinstance(loaded, dict) else {}

    @property
    def result(self) -> Result | None:
        """None of a run that is at work, or was killed."""
        return self.logged.result

    @property
    def monitor(self) -> str:
        """The score by which the best epoch was chosen."""
        return str(self.config.get("trainer", {}).get("monitor", ""))

    @cached_property
    def scores(self) -> dict[str, Summary]:
        """By full name, as `summarise` gives them; of a fold its own alone."""
        if self.fold is None:
            return {} if self.result is None else self.result.scores
        rows = {} if self.folds is None else self.folds.set_index("fold").to_dict("index")
        values = rows.get(self.fold, {})
        return {
            str(name): {"mean": value, "std": None, "ci95": None, "folds": [value]}
            for name, value in values.items()
            if not math.isnan(value)
        }

    @cached_property
    def folds(self) -> pd.DataFrame | None:
        """A line per fold that is done, with its scores; None of a run of one fold."""
        try:
            return pd.read_csv(self.logged.folder / "folds.csv")
        except FileNotFoundError:
            return None

    @cached_property
    def predictions(self) -> pd.DataFrame | None:
        """A line per test row, classes as text; None where nothing was predicted."""
        path = self.logged.folder / "predictions.csv"
        if not path.exists():
            return None
        names = pd.read_csv(path, nrows=0).columns
        named = any(name.startswith("probability_") for name in names) and "target" in names
        words: Any = {"target": str, "prediction": str} if named else {}
        # A class may be called NA; only what is empty is unknown.
        frame = pd.read_csv(path, dtype=words, keep_default_na=False, na_values=[""])
        return frame if self.fold is None else frame[frame["fold"] == self.fold].reset_index(drop=True)

    @property
    def kind(self) -> str:
        """What the predictions are: "classes", "labels", "number", "numbers", or "" without any."""
        if self.predictions is None:
            return ""
        shares = any(str(name).startswith("probability_") for name in self.predictions)
        if "target" in self.predictions:
            return "classes" if shares else "number"
        return "labels" if shares else "numbers"

    @cached_property
    def classes(self) -> list[str]:
        """Of a classification, or the labels of several, in the order of their columns."""
        names = [] if self.predictions is None else map(str, self.predictions)
        return [name.removeprefix("probability_") for name in names if name.startswith("probability_")]

    @cached_property
    def checks(self) -> list[dict[str, str]]:
        """What the leakage guards saw: check, severity, sentence."""
        try:
            loaded = json.loads((self.logged.folder / "checks.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        return list(loaded)

    @cached_property
    def parts(self) -> dict[int, np.ndarray]:
        """Fold -> (rows,) uint8: 0 is no part, 1 train, 2 valid, 3 test, 4 unlabelled; of a fold its own."""
        try:
            with np.load(self.logged.folder / ROWS) as stored:
                found = {int(n): parts for n, parts in zip(stored["number"], stored["parts"], strict=True)}
        except (OSError, KeyError, ValueError):
            return {}
        return {n: parts for n, parts in found.items() if self.fold in (None, n)}

    @cached_property
    def histories(self) -> dict[str, History]:
        """The epochs of each fold that the journal tells of; a run of one fold is called ""."""
        found: dict[str, History] = {}
        own = None if self.fold is None else f"fold-{self.fold}"
        for event in self.logged.events:
            if event["event"] != "metrics" or own not in (None, event["run"]):
                continue
            values = {name: float(value) for name, value in event["values"].items()}
            # The last line of a fold holds what it came to, and is no epoch.
            if "train/loss" in values and "model/parameters" not in values:
                found.setdefault(event["run"], {}).setdefault(event["step"], {}).update(values)
        return found

    def best_epoch(self, key: str) -> int | None:
        """The epoch whose weights a fold kept: of equal ones the last."""
        scores = {
            epoch: values[self.monitor]
            for epoch, values in self.histories[key].items()
            if not math.isnan(values.get(self.monitor, math.nan))
        }
        if not scores:
            return None
        choose = min if direction(self.monitor) == "minimize" else max
        value = choose(scores.values())
        return max(epoch for epoch, score in scores.items() if score == value)

    @property
    def model(self) -> tuple[int, Path] | None:
        """The first fold whose model was kept, and the folder of that."""
        return next(iter(self.logged.models.items()), None)


def chosen(config: Mapping[str, Any], *keys: str) -> str:
    """The class that a node names, without its module: `chosen(config, "data", "extract")`."""
    node: Any = config
    for key in keys:
        node = node.get(key, {}) if isinstance(node, Mapping) else {}
    return str(node.get("_target_", "")).rpartition(".")[2] if isinstance(node, Mapping) else ""
