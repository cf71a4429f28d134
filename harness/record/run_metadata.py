"""Card: what a run is started with, as MLflow shows it: name, parameters, tags, and the data it sees."""

from __future__ import annotations

from typing import Any

import pandas as pd

from harness.core.fold import Fold, count_folds
from harness.prepare.plan import Plan
from harness.runs.trial import Trial
from harness.runtime import provenance
from harness.runtime.provenance import Code
from harness.runtime.secret_values import Secrets, leaves


class RunMetadata:
    """Of a plan; all of it is free of secrets."""

    def __init__(self, plan: Plan, secrets: Secrets) -> None:
        self._plan, self._secrets = plan, secrets
        self._name = secrets.text(plan.cfg.name)

    def run(self, command: str, code: Code, trial: Trial | None) -> dict[str, Any]:
        """What `Journal.start` takes of the run itself."""
        folds = self._plan.folds
        tags = {
            **self._plan.parts.tracking.tags,
            **self._secrets.config["tags"],
            "command": command,
            "seed": self._plan.cfg.seed,
            "folds": count_folds(folds),
            "data.digest": self._plan.table.digest,
            **self._positive(),
            **self._initial_weights(folds[0]),
            "git.commit": code.commit or "not a git repository",
            "git.branch": code.branch,
            "git.dirty": str(code.dirty).lower(),
            **{f"auto.{key}": value for key, value in self._plan.chosen.items()},
            **provenance.machine(),
            **({} if trial is None else trial.tags),
        }
        return {
            # All trials of a sweep would otherwise have one name.
            "name": self._name if trial is None else f"{trial.number}-{self._name}",
            "parent": None if trial is None else trial.parent,
            "params": dict(leaves(self._secrets.config)),
            "tags": self._secrets.texts(tags),
            "inputs": self.inputs(folds[0]) if len(folds) == 1 else [self._whole()],
        }

    def fold(self, fold: Fold) -> dict[str, Any]:
        """What `Journal.start` takes of one of several folds."""
        digest = self._plan.table.digest
        return {
            "name": f"{self._name} {fold.label}",
            "params": dict(leaves(self._secrets.config)),
            "tags": {
                **self._secrets.texts(dict(self._plan.parts.tracking.tags)),
                "fold": fold.number,
                "data.digest": digest,
                **self._initial_weights(fold),
            },
            "inputs": self.inputs(fold),
        }

    def inputs(self, fold: Fold) -> list[dict[str, object]]:
        """The data set, one entry per part of a fold."""
        whole, table = self._whole(), self._plan.table
        groups = None if table.group is None else table.groups
        return [
            {
                **whole,
                "context": part,
                "rows": len(rows),
                "groups": None if groups is None else len(pd.unique(groups[rows])),
            }
            for part, rows in fold.parts()
        ]

    def _whole(self) -> dict[str, object]:
        table = self._plan.table
        return {
            "name": self._secrets.text(table.name),
            "digest": table.digest,
            "source": self._secrets.text(table.source),
            "context": "all",
            "rows": len(table),
            "groups": None if table.group is None else int(table.frame[table.group].nunique()),
        }

    def _positive(self) -> dict[str, str]:
        """A tag of the positive one of two classes."""
        positive = self._plan.table.task.positive
        return {} if positive is None else {"data.positive": positive}

    def _initial_weights(self, fold: Fold) -> dict[str, str]:
        """Tags of the weights that a fold starts from."""
        weights = self._plan.initial_weights.get(fold.number)
        return {} if weights is None else weights.tags
