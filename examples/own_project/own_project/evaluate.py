"""An evaluation: the scores of a trained network on a part of the data."""

from __future__ import annotations

from collections.abc import Callable

from harness.core.arrays import Loader, Loaders
from harness.core.baseline_names import baseline_name
from harness.core.predictor import Predictor, probabilities
from harness.core.scores import Scores
from harness.evaluate.scored_rows import answers, exact, loader_of, mean_loss, to_floats


class Brier:
    """Accuracy and Brier score of classes; with `score`, also the Brier score of equal probabilities."""

    names: tuple[str, ...] = ("loss", "accuracy", "brier_error")

    def validate(self, predictor: Predictor, loaders: Loaders) -> dict[str, float]:
        """The scores of the valid part; {} without one."""
        return {} if loaders.valid is None else self._scores(predictor, loaders.valid)

    def score(
        self, predictor: Predictor, loaders: Loaders, part: str, untrained: Callable[[], Predictor]
    ) -> Scores:
        """The scores of `part`, with the baseline beside them."""
        classes = len(predictor.task.classes)
        values = self._scores(predictor, loader_of(loaders, part))
        return Scores(values | {baseline_name("brier_error", "uniform"): 1 - 1 / classes})

    def _scores(self, predictor: Predictor, loader: Loader) -> dict[str, float]:
        outputs, targets = answers(predictor, loader, "mine")
        chances = exact(probabilities(outputs))
        truth = chances.new_zeros(chances.shape).scatter_(1, targets.to(chances.device)[:, None], 1.0)
        right = exact(chances.argmax(dim=1) == truth.argmax(dim=1))
        values = {"accuracy": right.mean(), "brier_error": (chances - truth).square().sum(dim=1).mean()}
        return to_floats(mean_loss(predictor, outputs, targets) | values)
