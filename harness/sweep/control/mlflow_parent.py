"""The parent run of a sweep in MLflow, which has the trials as its children."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.runs.journal import Journal, read
from harness.runs.run_history import OVER, RunHistory
from harness.runtime import provenance
from harness.runtime.secret_values import leaves
from harness.sweep.report.sweep_result import BEST, RESULT, TRIALS, SweepResult
from harness.sweep.report.write_sweep_page import REPORT
from harness.sweep.study.snapshot import ENDED, Row, Snapshot, State, brief, eligible
from harness.sweep.worker.sweep_spec import Tracking
from harness.tracking.run_link import Link

_COSTS = ("seconds", "trial_seconds", "gpu_seconds", "kwh", "money")
_BUDGET = ("trials", "hours", "budget", "stagnation")


class MlflowParentRun:
    """Writes the journal of the sweep as a whole, in the sweep's folder, from which MLflow is fed.

    Its metrics are best-so-far curves, `best/<objective>`, and how many trials were complete, pruned and
    failed, over the number of trials that ended. Every command that works on the sweep makes one of these; of
    several on one folder only the first writes, and another takes over when it is gone. A sweep that is
    continued stays the same run in MLflow.

    Call `start`, then `update` any number of times, then `close`.
    """

    def __init__(self, folder: Path, study: str, tracking: Tracking) -> None:
        self.folder, self._study, self._tracking = folder, study, tracking
        self._journal: Journal | None = None
        self._opening: dict[str, Any] = {}
        self._over = False
        self._written = 0  # the last step that the journal has
        self._counted: set[int] = set()
        self._counts: dict[State, int] = {state: 0 for state in ENDED if state != "frozen"}
        self._best: list[float] | None = None

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes the journal."""
        return self._journal is not None

    def start(
        self, space: Mapping[str, object], settings: Mapping[str, Any], tags: Mapping[str, object]
    ) -> None:
        """Starts the run, or continues it.

        Args:
            space: the description of each dimension, by key.
            settings: the block `sweep` of the configuration, sampler and pruner included, secrets masked.
            tags: further tags, such as the command, secrets masked.
        """
        rest = {key: value for key, value in settings.items() if key not in ("space", "name")}
        code = provenance.code()
        self._opening = {
            "params": {
                **{f"space.{key}": values for key, values in space.items()},
                **dict(leaves(rest, "sweep")),
            },
            "tags": {
                **tags,
                "sweep": "true",
                "study": self._study,
                "sweep.folder": str(self.folder.absolute()),
                # A parameter cannot change in MLflow, and a sweep can be extended.
                **{f"budget.{key}": settings[key] for key in _BUDGET if settings.get(key) is not None},
                "git.commit": code.commit or "not a git repository",
                "git.branch": code.branch,
                "git.dirty": str(code.dirty).lower(),
            },
        }
        self._open(requested=True)

    def update(self, snapshot: Snapshot) -> None:
        """Writes a point of the curves for every trial that ended since the last call."""
        if self._journal is None:
            self._open(requested=False)
        if self._journal is None:
            return
        for row in snapshot.history:
            if row.number not in self._counted and row.state != "frozen":
                self._counted.add(row.number)
                self._count(row, snapshot)
                if len(self._counted) > self._written:
                    self._journal.metrics("", len(self._counted), self._point(snapshot))

    def link(self) -> Link | None:
        """Where the sweep is in MLflow; None where it is not tracked or another process writes."""
        return self._tracking.link(self.folder) if self.writes else None

    def close(self, snapshot: Snapshot, result: SweepResult) -> Link | None:
        """Writes the last points, the best trial and the files of the sweep, and waits for MLflow."""
        self.update(snapshot)
        if self._journal is None:
            return None
        try:
            self._write_best(self._journal, snapshot, result)
            cost = {f"cost/{name}": (result.cost or {}).get(name) for name in _COSTS}
            if known := {name: value for name, value in cost.items() if value is not None}:
                self._journal.metrics("", len(self._counted), known)
            for name in (TRIALS, BEST, REPORT, RESULT):
                if (self.folder / name).exists():
                    self._journal.artifact("", name)
            self._journal.end("", result.status, result.error)
        finally:
            self._journal.close()
            self._journal, self._over = None, True
        return self._tracking.settle(self.folder)

    def _open(self, requested: bool) -> None:
        """Opens the journal, unless another process has it.

        Args:
            requested: whether the user has just typed the command; otherwise a run that another command
                has finished is left as it is.
        """
        if self._over:
            return
        journal = Journal(self.folder)
        if not journal.claim():
            journal.close()
            return
        events = read(self.folder)[0]
        past = RunHistory(events)
        if past.running is True or (not requested and past.ended("") in OVER):
            journal.close()
            return
        self._written = max(
            (e["step"] for e in events if e["event"] == "metrics" and e["run"] == ""), default=0
        )
        journal.start("", self._study, None, **self._opening)
        self._journal = journal
        self._tracking.follow(self.folder)

    def _count(self, row: Row, snapshot: Snapshot) -> None:
        self._counts[row.state] += 1
        if eligible(row):
            costs = snapshot.cost(row)
            self._best = list(map(min, costs, self._best or costs))

    def _point(self, snapshot: Snapshot) -> dict[str, float]:
        """The best value so far of each objective, once a trial is complete, and the counts of trials."""
        counts = {f"trials/{state}": float(count) for state, count in self._counts.items()}
        best = zip(snapshot.objectives, self._best or (), strict=self._best is not None)
        return {**{f"best/{o.name}": o.cost(cost) for o, cost in best}, **counts}

    def _write_best(self, journal: Journal, snapshot: Snapshot, result: SweepResult) -> None:
        """Writes the best trial and the one to use as tags, which can be replaced, and the sweep's scores."""
        best = snapshot.best
        if not best:
            return
        if len(snapshot.objectives) > 1:
            journal.tags("", {"best.front": ", ".join(str(row.number) for row in best)})
            return
        # "-" replaces the value that an earlier best trial had in a dimension that this one lacks.
        point = {f"best.{k}": brief(best[0].point[k]) if k in best[0].point else "-" for k in snapshot.keys}
        use = best[0].number if result.recommended is None else result.recommended["number"]
        journal.tags("", {"best.number": best[0].number, "recommended.number": use, **point})
        means = {name: score["mean"] for name, score in result.scores.items() if score["mean"] is not None}
        if result.selection is not None:
            name, (low, high) = result.selection["score"], result.selection["ci95"]
            own = {"expected": result.selection["expected"], "expected_low": low, "expected_high": high}
            means |= {f"best/{name}_{ending}": value for ending, value in own.items()}
        if result.status == "finished" and means:
            journal.metrics("", len(self._counted), means)
