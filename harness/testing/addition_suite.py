"""Contracts of evaluations, metrics and callbacks: see `harness.core.protocol` and docs/project.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from harness.callbacks.run_output import RunLog
from harness.core.fold import Fold
from harness.core.progress import Progress
from harness.core.scores import Scores
from harness.testing.suite_choices import Suite
from harness.testing.trainer_suite import TWO_STEPS, experiment_of


class TestEvaluators(Suite):
    """Every yaml of `evaluate`; `words` are the overrides that give it data it can score."""

    group: ClassVar[str] = "evaluate"
    words: ClassVar[dict[str, list[str]]] = {}

    def test_validate_returns_the_scores_in_names_and_score_returns_finite_scores(self, choice: str) -> None:
        words = [*TWO_STEPS, *self.words.get(choice, ()), f"evaluate={choice}"]
        experiment = experiment_of(*words)
        trainer, loaders, part = experiment.trainer, experiment.loaders, self.make(choice)
        list(trainer.fit(experiment.model, loaders, experiment.augment, experiment.validate, lambda: False))
        predictor = trainer.predictor()
        before = {name: value.clone() for name, value in experiment.model.state_dict().items()}
        valid = part.validate(predictor, loaders)
        assert set(valid) == set(part.names), "`validate` must return exactly the scores that `names` lists"
        scores = part.score(predictor, loaders, "test", lambda: predictor)
        assert isinstance(scores, Scores), "`score` must return a harness.core.scores.Scores"
        for name, value in {**valid, **scores.values}.items():
            assert isinstance(value, float), f"score {name} must be a float, not a {type(value).__name__}"
            assert np.isfinite(value), f"score {name} is {value}"
        after = experiment.model.state_dict()
        changed = [name for name, value in before.items() if not torch.equal(value, after[name])]
        assert not changed, f"an evaluation must not change the model, and it changed {changed}"


class TestMetrics(Suite):
    """Every yaml of `evaluate/metrics`; `words` are the overrides that give it data it can score."""

    group: ClassVar[str] = "evaluate/metrics"
    words: ClassVar[dict[str, list[str]]] = {}

    def test_a_run_reports_the_metric_as_a_number(self, choice: str) -> None:
        words = [*TWO_STEPS, *self.words.get(choice, ())]
        experiment = experiment_of(*words, f"+evaluate/metrics@evaluate.metrics.{choice}={choice}")
        trainer = experiment.trainer
        (progress,) = trainer.fit(
            experiment.model, experiment.loaders, experiment.augment, experiment.validate, lambda: False
        )
        name = f"valid/{choice}"
        assert name in progress.scores, f"the run has no score {name}"
        assert np.isfinite(progress.scores[name]), f"{name} is {progress.scores[name]}"


class TestCallbacks(Suite):
    """Every yaml of `callbacks`."""

    group: ClassVar[str] = "callbacks"

    @classmethod
    def node(cls, choice: str) -> dict[str, Any]:
        """The arguments of the callback; `on_error` is a setting of the run."""
        return {key: value for key, value in super().node(choice).items() if key != "on_error"}

    def test_a_callback_is_called_in_the_order_of_a_run_and_raises_nothing(
        self, choice: str, tmp_path: Path
    ) -> None:
        part = self.make(choice)
        assert callable(part), "a callback must be callable: define __call__(self, fold, progress)"
        log = RunLog(tmp_path, lambda key, name, value, step: None, lambda key, path: None)
        rows = np.arange(4)
        fold = Fold(0, rows[:2], rows[2:3], rows[3:])
        scores = {"train/loss": 0.5, "valid/loss": 0.6, "lr": 0.1, "time/epoch_seconds": 0.1}

        def call(method: str, *arguments: object) -> None:
            function: Callable[..., object] | None = getattr(part, method, None)
            if function is not None:
                function(*arguments)

        call("run_started", log)
        call("fold_started", fold)
        for epoch in (1, 2):
            log.step = epoch
            part(fold, Progress(epoch, 2, 10 * epoch, scores, True, dict))
        call("fold_done", fold, {"test/loss": 0.6})
        call("run_done", {"test/loss": 0.6})
