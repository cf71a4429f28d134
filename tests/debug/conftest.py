"""An experiment on iris that is ready for a debug mode, and a notebook that keeps the notes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from harness.config.compose import compose
from harness.debug.debug_mode import Mode, limited, mode
from harness.prepare.experiment import Experiment, prepare
from harness.prepare.plan import make_plan

SMALL = ["data/extract=iris", "model.widths=[8]", "trainer.device=cpu", "data.cache=off"]


@dataclass
class Notebook:
    """Stands in for page, screen and journal."""

    folder: Path
    key: str = ""
    notes: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    artifacts: list[tuple[str, str]] = field(default_factory=list)

    @property
    def screen(self) -> Notebook:
        return self

    @property
    def journal(self) -> Notebook:
        return self

    def note(self, text: str) -> None:
        self.notes.append(text)

    def say(self, text: str) -> None:
        self.text.append(text)

    def draw(self, name: str, draw: Callable[[Path], None]) -> None:
        draw(self.folder / name)
        self.artifact(self.key, Path(name), "plots")

    def artifact(self, key: str, name: Path, under: str = "") -> None:
        self.artifacts.append((str(name), under))


@dataclass
class Study:
    """A mode and what it is about to look at."""

    mode: Mode
    experiment: Experiment
    notebook: Notebook

    def run(self, stop: Callable[[], bool] = lambda: False) -> Experiment | None:
        """Enters the mode and leaves it; what the fold would have been run with."""
        fold_record: Any = self.notebook
        with self.mode(self.experiment, fold_record, stop) as left:
            return left

    def train(self) -> None:
        """Trains the whole fold within the mode."""
        fold_record: Any = self.notebook
        with self.mode(self.experiment, fold_record, lambda: False) as left:
            assert left is not None
            parts: tuple[Any, ...] = (left.model, left.loaders, left.augment, left.validate, lambda: False)
            for _ in left.trainer.fit(*parts):
                pass


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., Study]:
    """`study("debug=overfit")`: that mode on iris, with a model of the test's own if it brings one."""

    def make(*words: str, change: Callable[[nn.Module], object] = lambda model: None) -> Study:
        cfg = compose([*SMALL, *words])
        debug = mode(cfg)
        plan = limited(make_plan(cfg), debug)
        experiment = prepare(plan, plan.folds[0])
        change(experiment.model)
        return Study(debug, experiment, Notebook(tmp_path))

    return make
