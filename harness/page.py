"""Page: what one fold leaves in the record."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import plot
from harness.experiment import Experiment
from harness.fold import Fold
from harness.journal import End, Journal
from harness.predictions import Told
from harness.progress import Progress
from harness.scores import Scores
from harness.screen import Screen
from harness.table import Table

MOST_MODELS = 10
"""A cross-validated run keeps the models of its first ten folds."""

MOST_CHILDREN = 20
"""With more folds than this, a fold is a point in the parent's curves and no run of its own."""


@dataclass
class Page:
    """One fold's lines in the journal, its files, and its scores.

    key       "" where the fold is the whole run, else "fold-<k>"; its folder below the run's
    folds     how many folds the run has
    card      what the run of this fold is started with: name, params, tags, inputs
    config    the masked configuration, which is saved with the model
    """

    journal: Journal
    screen: Screen
    root: Path
    fold: Fold
    folds: int
    card: dict[str, Any]
    config: dict[str, Any]
    scores: dict[str, float] = field(default_factory=dict)
    told: Told | None = None
    _history: list[dict[str, float]] = field(default_factory=list)
    _best: dict[str, float] = field(default_factory=dict)
    _step: int = 0
    _ended: bool = False

    @property
    def key(self) -> str:
        return "" if self.folds == 1 else f"fold-{self.fold.number}"

    @property
    def alone(self) -> bool:
        """Whether the fold has a run in MLflow, the only one or a child."""
        return self.folds <= MOST_CHILDREN

    @property
    def _kept(self) -> bool:
        """Whether the fold's model is kept."""
        return self.folds == 1 or self.fold.number < MOST_MODELS

    @property
    def folder(self) -> Path:
        return self.root / self.key

    def begin(self) -> None:
        """The fold starts: its child run, where the run has several."""
        if self.alone or self._kept:
            self.folder.mkdir(exist_ok=True)
        if self.key and self.alone:
            self.journal.start(self.key, parent="", **self.card)
        self.screen.fold(self.fold.number, self.folds, {part: len(rows) for part, rows in self.fold.parts()})

    def epoch(self, progress: Progress) -> None:
        """An epoch's scores, in the journal first."""
        if self.alone:
            self.journal.metrics(self.key, progress.epoch, progress.scores)
        self._history.append({"epoch": progress.epoch, **progress.scores})
        self._step = progress.epoch
        if progress.best:
            self._best = progress.scores
        self.screen.epoch(progress)

    def score(self, part: str, scores: Scores) -> None:
        """The scores of a part after training."""
        self.scores |= {f"{part}/{name}": value for name, value in scores.values.items()}
        for note in scores.notes if self.alone else ():  # of hundreds of folds, what is pooled counts
            self.screen.note(f"{part}: {note}")

    def predict(self, told: Told) -> None:
        """The test rows with their predictions; the record puts those of all folds together."""
        self.told = told

    def keep(self, experiment: Experiment, table: Table) -> None:
        """The trained model, and the last figures of the fold, which is then over."""
        epochs = [scores["time/epoch_seconds"] for scores in self._history]
        self.scores["train/loss"] = self._best.get("train/loss", float("nan"))
        self.scores["model/parameters"] = float(experiment.parameters)
        self.scores["time/epoch_seconds"] = sum(epochs) / max(len(epochs), 1)
        if self.alone:
            self._keep_alone(experiment, table)
        else:
            self._keep_as_point(experiment, table)
        self.end("finished", None)
        self.screen.fold_scores(self.fold.number, self.scores)

    def _keep_alone(self, experiment: Experiment, table: Table) -> None:
        self.journal.metrics(self.key, self._step, self.scores)
        if self._kept:
            experiment.save(self.folder / "model", table, self.config)
            self.journal.model(self.key, self._relative("model"))
        plot.curves(self._history, self.folder / "curves.png", experiment.trainer.monitor)
        self._file("curves.png", "plots")

    def _keep_as_point(self, experiment: Experiment, table: Table) -> None:
        points = {f"fold/{name}": value for name, value in self.scores.items() if name.startswith("test/")}
        self.journal.metrics("", self.fold.number, points)
        if self._kept:
            experiment.save(self.folder / "model", table, self.config)

    def end(self, status: End, error: str | None) -> None:
        """Closes the child run, unless it is closed; the run itself is closed by the record."""
        if self.key and self.alone and not self._ended:
            self.journal.end(self.key, status, error)
        self._ended = True

    def _file(self, name: str, under: str = "") -> None:
        self.journal.artifact(self.key, self._relative(name), under)

    def _relative(self, name: str) -> Path:
        return Path(self.key) / name
