"""Trains the points between the default and the best trial of a finished sweep (`sweep.ablate`)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import optuna
from omegaconf import DictConfig

from harness.core.errors import UserError
from harness.sweep.report.importance import FEWEST, importance
from harness.sweep.space.ablation_path import ablation_path
from harness.sweep.study.read_snapshot import snapshot
from harness.sweep.study.snapshot import Row, Snapshot
from harness.sweep.study.study_storage import open_storage
from harness.sweep.study.sweep_location import SweepLocation, find_earlier
from harness.sweep.worker.sweep_spec import SweepSpec

_KEY = "sweep.ablate"


@dataclass(frozen=True)
class Ablation:
    """The path from the default to the best trial of an earlier sweep (Fawcett and Hoos 2016).

    The keys are changed in one order, the most important one first: a path for n keys has n + 1 points. The
    greedy order, which tries every key that is left at every step, would take n (n + 1) / 2 + 1.

    earlier  where that sweep is
    now      its state
    """

    earlier: SweepLocation
    now: Snapshot

    def of(self, spec: SweepSpec) -> SweepSpec:
        """The sweep that trains the points of the path, each to the end.

        Raises:
            UserError: the sweep has no default trial, or that is the best one.
        """
        start, best = self._default(spec), self.now.best[0]
        if start.point == best.point:
            raise UserError(
                f"{_KEY} goes from the default to the best trial of a sweep, and the best of "
                f"{self.earlier.study} is the default",
                "there is nothing to explain: leave it out",
                key=_KEY,
            )
        points = ablation_path(spec.space, dict(start.point), dict(best.point), self._order(spec))
        settings = replace(spec.settings, test="none")
        spec = replace(spec, sampler=None, pruner=None, compared=None, default={}, settings=settings)
        return replace(spec, points=tuple(points), trials=len(points))

    def _default(self, spec: SweepSpec) -> Row:
        """The trial with the values of the configuration without the sweep."""
        default = spec.default
        for row in self.now.rows:
            if default and row.state == "complete" and default.items() <= row.point.items():
                return row
        raise UserError(
            f"{_KEY} goes from the default to the best trial of a sweep, and {self.earlier.study} has no "
            "complete trial with the default values",
            "run it with sweep.enqueue_default=true, in a space that has these values",
            key=_KEY,
        )

    def _order(self, spec: SweepSpec) -> list[str]:
        """The swept keys, the most important first; that of the space where trials are too few."""
        shares: dict[str, float] = {}
        if self.now.count("complete") >= FEWEST:
            with suppress(ValueError):
                shares = importance(self.now, spec.space.distributions(), 0)
        keys = [dimension.key for dimension in spec.space.ordered]
        return sorted(keys, key=lambda key: -shares.get(self.now.names.get(key) or key, 0.0))

    def prepare(self, folder: Path) -> None:
        """Nothing: each trial begins anew."""

    def notes(self, trainer: DictConfig) -> list[str]:
        """What the user must know of the path."""
        del trainer
        best = self.now.best[0].number
        return [f"the trials lead from the default to trial {best} of {self.earlier.study}, key after key"]


def find_ablation(cfg: DictConfig, words: Sequence[str]) -> Ablation:
    """The finished sweep that the command means.

    Args:
        words: what was typed.

    Raises:
        UserError: there is no such sweep, it has several objectives, or no trial is complete.
    """
    earlier = find_earlier(cfg, words, (_KEY,), _KEY, "explains the best trial of a finished sweep")
    storage = open_storage(earlier.url, earlier.folder)
    now = snapshot(optuna.load_study(study_name=earlier.study, storage=storage))
    if len(now.objectives) > 1 or not now.best:
        what = "several objectives" if len(now.objectives) > 1 else "no complete trial"
        raise UserError(
            f"{_KEY} explains the best trial of a finished sweep, and {earlier.study} has {what}",
            "name another sweep by resume=SWEEP",
            key=_KEY,
        )
    return Ablation(earlier, now)
