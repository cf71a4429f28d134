"""The record of one fold: its lines in the journal, its files and its scores."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from harness.checkpoint.checkpoint_manager import CheckpointManager
from harness.checkpoint.finished_folds import Done, FoldOutcome
from harness.config.metric_settings import directions
from harness.console.quiet_screen import QuietScreen
from harness.console.screen import Screen
from harness.core.epoch_ranking import EpochRanking
from harness.core.fold import Fold
from harness.core.progress import Progress
from harness.core.scores import Scores, direction
from harness.core.steady_score import steady_scores
from harness.core.table import Table
from harness.evaluate.permutation_importance import Importance
from harness.evaluate.projection_2d import Projection
from harness.prepare.evaluation import calibrates
from harness.prepare.experiment import Experiment
from harness.record import plots
from harness.record.predictions import FoldPredictions, RowOutputs, fold_predictions, validation_rows
from harness.runs.journal import End, Journal
from harness.runs.run_history import RunHistory
from harness.runs.trial import EVERYTHING, Keeps
from harness.runs.validation_rows import FILE, join_folds, partial_file, write_validation

MOST_MODELS = 10
"""A cross-validated run keeps the models of its first ten folds."""

MOST_CHILDREN = 20
"""With more folds than this, a fold is a point in the parent's curves and no run of its own."""


_CURVES = "curves.svg"


def key_of(fold: Fold, folds: int) -> str:
    """What the journal calls a fold, and its folder below the run's: "" where it is the whole run."""
    return "" if folds == 1 else f"fold-{fold.number}"


@dataclass
class FoldRecord:
    """One fold's lines in the journal, its files, and its scores.

    key          "" where the fold is the whole run, else "fold-<k>"; its folder below the run's
    folds        how many folds the run has
    metadata     name, params, tags and inputs of the fold's MLflow run
    config       the masked configuration, which is saved with the model
    checkpoints  of the fold
    past         what the journal held before this process began
    clock        returns how many seconds the run has taken
    training     the trainer's state to resume from; None for a new fold
    deferred     whether test rows are not scored yet: then nothing is drawn, and every fold's model is
                 kept, so that `harness.stages.deferred_test` can test it later
    sealed       whether that is so because they are sealed: then curves are drawn, and the model is logged
    keeps        which files are kept, given the fold's scores
    follows      scores that a sweep compares; the steady ones among them are computed
    validation_size  the most bytes that the outputs for the validation rows may take; 0: they are not kept
    others       the records of the networks of the same ensemble that came before, see `Fold.network`
    """

    journal: Journal
    screen: Screen | QuietScreen
    root: Path
    fold: Fold
    folds: int
    metadata: dict[str, Any]
    config: dict[str, Any]
    checkpoints: CheckpointManager
    past: RunHistory
    clock: Callable[[], float]
    training: dict[str, Any] | None = None
    deferred: bool = False
    sealed: bool = False
    keeps: Keeps = EVERYTHING
    follows: frozenset[str] = frozenset()
    validation_size: int = 0
    others: Sequence[FoldRecord] = ()
    scores: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    predictions: FoldPredictions | None = None
    importance: Importance | None = None
    _outputs: RowOutputs | None = None
    _history: list[dict[str, float]] = field(default_factory=list)
    _best: dict[str, float] = field(default_factory=dict)
    _best_epoch: int = 0
    _step: int = 0
    _ended: bool = False

    @property
    def key(self) -> str:
        return key_of(self.fold, self.folds)

    @property
    def alone(self) -> bool:
        """Whether the fold has a run in MLflow, the only one or a child."""
        return self.folds <= MOST_CHILDREN

    @property
    def kept(self) -> bool:
        """Whether the fold's model is kept for good."""
        return self.folds == 1 or self.fold.place < MOST_MODELS

    @property
    def outputs_before(self) -> list[RowOutputs]:
        """The outputs for the test rows of the networks of the same ensemble that came before."""
        return [other._outputs for other in self.others if other._outputs is not None]

    @property
    def _saved(self) -> bool:
        """Whether the fold's model is kept at least for now."""
        return self.kept or self.deferred

    @property
    def folder(self) -> Path:
        return self.root / self.key

    @property
    def _final_step(self) -> int:
        """The step of the kept model's scores: one after the last epoch.

        So each epoch has one value of a score, and MLflow, which shows the value of the last step in its
        tables, shows that of the kept model.
        """
        return self._step + 1

    def begin(self) -> None:
        """Starts the fold, and its child run where the run has several folds."""
        if self.alone or self._saved:
            self.folder.mkdir(exist_ok=True)
        self._begin_child()
        self._show()

    def _begin_child(self) -> None:
        if self.key and self.alone:
            self.journal.start(self.key, parent="", **self.metadata)

    def _show(self) -> None:
        rows = {part: len(rows) for part, rows in self.fold.parts()}
        self.screen.fold(self.fold.number, self.folds, rows, self.fold.names)

    def epoch(self, progress: Progress) -> None:
        """Records the scores of an epoch, in the journal first."""
        if self.alone:
            self._metrics(self.key, progress.epoch, progress.scores)
        self._history.append({"epoch": progress.epoch, **progress.scores})
        self._step = progress.epoch
        if progress.best:
            self._best, self._best_epoch = progress.scores, progress.epoch
        self.screen.epoch(progress, self.fold.number)

    def _metrics(self, run: str, step: int, values: dict[str, float]) -> None:
        """Writes the scores that the journal does not hold yet: a resumed run repeats some epochs."""
        if not self.past.has(run, step, values):
            self.journal.metrics(run, step, values)

    def checkpoint(self, progress: Progress, stopping: bool, allowed: bool | None = None) -> None:
        """Offers the current state to the checkpoint manager, which decides whether to write it."""
        self.checkpoints.see(progress, lambda: self._state(progress), stopping, allowed)

    def _state(self, progress: Progress) -> dict[str, Any]:
        """Returns all that is needed to resume: the trainer's state and the curves so far."""
        best = {"best": self._best, "best_epoch": self._best_epoch}
        curves = {"history": self._history, **best, "step": self._step}
        return {"trainer": progress.state(), "page": curves, "seconds": self.clock()}

    def resume(self, state: dict[str, Any]) -> None:
        """Continues from the state of a checkpoint."""
        curves = state["page"]
        self._history, self._best, self._step = curves["history"], curves["best"], curves["step"]
        self._best_epoch = curves["best_epoch"]
        self.training = state["trainer"]

    @property
    def best_scores(self) -> Mapping[str, float]:
        """The scores of the best epoch so far; {} before there is one."""
        return self._best

    def score(self, part: str, scores: Scores) -> None:
        """Records the scores of a part after training."""
        self.scores |= {f"{part}/{name}": value for name, value in scores.values.items()}
        for note in scores.notes if self.alone else ():  # of hundreds of folds, what is pooled counts
            self.screen.note(f"{part}: {note}")

    def compare(self, intervals: dict[str, tuple[float, float]], notes: Sequence[str]) -> None:
        """Takes how far the fitted baselines are from the network, and prints why one is missing."""
        self.intervals = intervals
        for note in notes if self.fold.place == 0 or self.folds == 1 else ():
            self.screen.note(note)

    def predict(self, table: Table, outputs: RowOutputs) -> None:
        """Takes the outputs of the test rows; the run's record joins the predictions of all folds."""
        self._outputs = outputs
        self.predictions = fold_predictions(table, self.fold, outputs, outputs.outputs)

    def keep_validation(self, table: Table, outputs: RowOutputs) -> None:
        """Stores the outputs for the validation rows, from which a sweep prices its choice.

        Outputs that are too large are not stored; a full disk is a warning only.
        """
        rows = validation_rows(table, self.fold, outputs)
        if rows is None or rows.size > self.validation_size:
            return
        path = partial_file(self.root, self.fold.number) if self.key else self.root / FILE
        try:
            write_validation(rows, path)
            if self.key:
                join_folds(self.root, range(self.folds))
        except OSError as error:
            self.screen.note(f"the predictions of the validation rows could not be stored ({error.strerror})")

    def project(self, projection: Projection | None) -> None:
        """Draws the projection of the representation."""
        if projection is not None and self.alone:
            self.draw("representation.svg", partial(plots.projection, projection))

    def draw(self, name: str, draw: Callable[[Path], None]) -> None:
        """Has a picture drawn into the fold's folder, and logs it; one that fails is a note."""
        with plots.optional(name, self.screen.note):
            draw(self.folder / name)
            self._file(name, "plots")

    def keep(self, experiment: Experiment, table: Table) -> None:
        """Saves the trained model and the last scores, and ends the fold."""
        epochs = [scores["time/epoch_seconds"] for scores in self._history]
        self.scores["train/loss"] = self._best.get("train/loss", float("nan"))
        self.scores["model/parameters"] = float(experiment.parameters)
        if calibrates(experiment.cfg):
            self.scores["model/temperature"] = experiment.temperature
        self.scores["train/best_epoch"] = float(self._best_epoch)
        self.scores |= steady_scores(self.follows, self._history, self._best_epoch)
        self.scores["time/epoch_seconds"] = sum(epochs) / max(len(epochs), 1)
        self.scores["time/training_seconds"] = sum(epochs)
        if self.alone:
            self._keep_alone(experiment, table)
        else:
            self._keep_as_point(experiment, table)
        self._write_done()
        resumable = self.keeps.checkpoints is None or self.keeps.checkpoints(self.scores)
        self.checkpoints.finish(self.kept and resumable)
        self.end("finished", None)
        self.screen.fold_scores(self.fold.number, self.scores)

    def _write_done(self) -> None:
        """Stores the fold's scores and outputs for a resumed run; a full disk is a warning only."""
        try:
            importance = None if self.importance is None else self.importance.plain()
            outcome = FoldOutcome(self.scores, self._outputs, self.intervals, importance)
            Done(self.root).write(self.fold.number, outcome)
        except OSError as error:
            self.screen.note(
                f"the scores of fold {self.fold.number} could not be stored ({error.strerror}): if the run "
                "is stopped, a resumed run trains the fold again."
            )

    def read_back(self, outcome: FoldOutcome, table: Table) -> None:
        """Takes the scores and outputs that an earlier process stored for the fold."""
        self.scores, self.intervals = outcome.scores, dict(outcome.intervals or {})
        if outcome.importance is not None:
            self.importance = Importance.restored(outcome.importance)
        if outcome.outputs is not None:
            self.predict(table, RowOutputs(*outcome.outputs))
        self.checkpoints.take_back()
        self.checkpoints.finish(self.kept)
        self._show()
        if self.key and self.alone and self.past.ended(self.key) != "finished":
            self._begin_child()
            self.end("finished", None)
        self._ended = True
        self.screen.fold_scores(self.fold.number, self.scores)

    def _keep_alone(self, experiment: Experiment, table: Table) -> None:
        self._metrics(self.key, self._final_step, self.scores)
        if self._saved and self.keeps.weights(self.scores):
            experiment.save(self.folder / "model", table, self.config)
        if not self.deferred or self.sealed:
            self._show_model(experiment.trainer.ranking)

    def _show_model(self, ranking: EpochRanking) -> None:
        """Logs the model and the curves, once it is known that the run counts."""
        if self.kept and (self.folder / "model").is_dir():
            self.journal.model(self.key, self._relative("model"))
        direction_of = partial(direction, declared=directions(self.config))
        self.draw(_CURVES, partial(plots.curves, self._history, ranking=ranking, direction_of=direction_of))

    def _keep_as_point(self, experiment: Experiment, table: Table) -> None:
        points = {f"fold/{name}": value for name, value in self.scores.items() if name.startswith("test/")}
        if points:
            self._metrics("", self.fold.number, points)
        if self._saved:
            experiment.save(self.folder / "model", table, self.config)

    def complete(self, outcome: FoldOutcome, history: list[dict[str, float]], ranking: EpochRanking) -> None:
        """Closes a fold that was trained before, once its test rows are scored too.

        Args:
            outcome: its scores and outputs without them.
            history: the scores of each epoch, with its number as "epoch".
        """
        tested = self.scores
        first = {name: value for name, value in outcome.scores.items() if name.startswith("valid/")}
        self.scores = {**first, **tested, **outcome.scores}
        self._history = history
        self._step = int(history[-1]["epoch"]) if history else 0
        if self.alone:
            self._metrics(self.key, self._final_step, tested)
            if not (self.folder / _CURVES).exists():  # else it was logged when the training ended
                self._show_model(ranking)
        elif tested:
            self._metrics("", self.fold.number, {f"fold/{name}": value for name, value in tested.items()})
        self.end("finished", None)

    def tidy(self) -> None:
        """Removes a model that was kept for its test alone."""
        if not self.kept:
            shutil.rmtree(self.folder / "model", ignore_errors=True)
            with suppress(OSError):  # of a fold that has pictures, the folder stays
                self.folder.rmdir()

    def end(self, status: End, error: str | None, frozen: bool = False) -> None:
        """Closes the child run, unless it is closed; the run itself is closed by the record.

        Args:
            frozen: whether a pruned fold may go on later: its newest checkpoint stays. All checkpoints of
                another pruned fold are removed.
        """
        if status == "pruned" and not self._ended:
            self.checkpoints.freeze() if frozen else self.checkpoints.finish(False)
        elif status != "finished" and not self._ended:
            self.checkpoints.write_deferred()
        if self.key and self.alone and not self._ended:
            self.journal.end(self.key, status, error)
        self._ended = True

    def _file(self, name: str, under: str = "") -> None:
        self.journal.artifact(self.key, self._relative(name), under)

    def _relative(self, name: str) -> Path:
        return Path(self.key) / name
