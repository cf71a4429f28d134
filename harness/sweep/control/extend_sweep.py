"""Trains the best trials of a finished sweep on, in a sweep of their own (`sweep.extend`)."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from omegaconf import DictConfig, OmegaConf

from harness.config.instantiate import target
from harness.core.errors import UserError
from harness.core.fuse_setting import FUSE
from harness.runs.journal import JOURNAL
from harness.runtime.config_nodes import load_config
from harness.sweep.study.read_snapshot import snapshot
from harness.sweep.study.snapshot import Row
from harness.sweep.study.study_storage import open_storage
from harness.sweep.study.sweep_location import SweepLocation, find_earlier
from harness.sweep.worker.kept_models import checkpoint_folders, extendable_rows, has_checkpoints
from harness.sweep.worker.sweep_spec import SweepSpec

_LENGTH = ("trainer.epochs", "trainer.steps", "trainer.minutes", "trainer.patience")
"""Settings of the length of a training; those that may differ from the earlier sweep."""

_ALLOWED = (*_LENGTH, "trainer.scheduler", FUSE)
"""The schedule may refer to the number of epochs; whether folds are trained together stays as it was."""


@dataclass(frozen=True)
class Extension:
    """The trials of an earlier sweep that are trained on.

    earlier  where that sweep is
    rows     its trials, best first
    """

    earlier: SweepLocation
    rows: tuple[Row, ...]

    def of(self, spec: SweepSpec) -> SweepSpec:
        """The sweep that trains them on: their points, each to the end.

        Raises:
            UserError: a point is not in the space, or the training is not longer than before.
        """
        points = tuple(spec.space.complete(dict(row.point), "sweep.extend") for row in self.rows)
        self.require_longer(spec.epochs)
        spec = replace(spec, sampler=None, pruner=None, compared=None, slots=1, fuse=None)
        return replace(spec, points=points, trials=len(points), allowed=_ALLOWED)

    def require_longer(self, epochs: int | None) -> None:
        """Checks that the trials have something left to learn.

        Args:
            epochs: most epochs of a training; None: time ends it.

        Raises:
            UserError: they have had as many.
        """
        complete = all(row.state == "complete" for row in self.rows)
        before = max(filter(None, (self._epochs(row) for row in self.rows)), default=None)
        if complete and before is not None and epochs is not None and epochs <= before:
            raise UserError(
                f"sweep.extend trains on, and its trials had {before} epochs already, got {epochs}",
                f"give more: trainer.epochs={2 * before}",
                key="trainer.epochs",
                value=epochs,
            )

    def _epochs(self, row: Row) -> int | None:
        """The most epochs of a trial in the earlier sweep; None: something else ended it."""
        there = self.earlier.folder / row.folder
        config: Any = load_config(next(iter([*there.glob("config.yaml"), *there.glob("seed-*/config.yaml")])))
        epochs: int | None = config.trainer.get("epochs")
        return epochs

    def prepare(self, folder: Path) -> None:
        """Copies history and checkpoints of each trial to the folder of its number here, once."""
        for number, row in enumerate(self.rows):
            here, draft = folder / str(number), folder / f".{number}-draft"
            if here.exists():
                continue
            shutil.rmtree(draft, ignore_errors=True)
            there = self.earlier.folder / row.folder
            for part in (*there.glob(JOURNAL), *there.glob(f"seed-*/{JOURNAL}"), *checkpoint_folders(there)):
                copy = draft / part.relative_to(there)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copytree(part, copy) if part.is_dir() else shutil.copy2(part, copy)
            draft.rename(here)

    def notes(self, trainer: DictConfig) -> list[str]:
        """What the user must know: which trials, and what the learning rate does."""
        numbers = ", ".join(str(row.number) for row in self.rows)
        here = f"as trials 0 to {len(self.rows) - 1} of this sweep"
        lines = [f"trials {numbers} of {self.earlier.study} are trained on, {here}"]
        if _follows_length(trainer):
            lines.append(
                "the schedule depends on the length of the training: from its checkpoint on, the learning "
                "rate of each trial is that of the longer training at the same step; rerun, which trains "
                "from the start, gives other scores"
            )
        return lines


def find_extension(cfg: DictConfig, words: Sequence[str], count: int) -> Extension:
    """The best trials of the sweep that the command means.

    Args:
        words: what was typed.
        count: `sweep.extend`.

    Raises:
        UserError: there is no such sweep, it has fewer trials, or a checkpoint is gone.
    """
    apart, aim = ("sweep.extend", *_LENGTH), "trains trials of a finished sweep on"
    earlier = find_earlier(cfg, words, apart, "sweep.extend", aim)
    storage = open_storage(earlier.url, earlier.folder)
    epochs = None if cfg.trainer.get("epochs") == "auto" else cfg.trainer.get("epochs")
    now = snapshot(optuna.load_study(study_name=earlier.study, storage=storage), epochs=epochs)
    rows = extendable_rows(now, count)
    gone = [str(row.number) for row in rows if not has_checkpoints(earlier.folder / row.folder)]
    if gone or len(rows) < count:
        kept = len(rows) - len(gone)
        what = (
            f"the checkpoints of {'trial' if len(gone) == 1 else 'trials'} {', '.join(gone)} are gone"
            if gone
            else f"the sweep has {len(rows)} trials that could go on"
        )
        raise UserError(
            f"sweep.extend={count} trains the best {count} trials of {earlier.study} on, and {what}",
            (f"use sweep.extend={kept}, or " if kept else "")
            + f"run the sweep again with sweep.extendable={count}",
            key="sweep.extend",
            value=count,
        )
    return Extension(earlier, tuple(rows))


def _follows_length(trainer: DictConfig) -> bool:
    """Whether the learning rate depends on how long the training is."""
    raw: Any = OmegaConf.to_container(trainer, resolve=False)
    node = raw.get("scheduler")
    if not isinstance(node, dict):
        return False
    made = target(node, "trainer.scheduler")
    refers = any("trainer.epochs" in str(value) for value in node.values())
    return refers or "total_steps" in inspect.signature(made).parameters
