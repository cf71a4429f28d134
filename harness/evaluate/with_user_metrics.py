"""An evaluation with the user's own metrics beside its scores."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from harness.core.arrays import Loader, Loaders
from harness.core.error_text import described
from harness.core.errors import UserError
from harness.core.predictor import Prediction, Predictor
from harness.core.protocol import Evaluator
from harness.core.scores import Scores
from harness.evaluate.scored_rows import answers, known, loader_of, pooled, validated
from harness.evaluate.user_metric import UserMetric, predictions_of, try_metric


class WithUserMetrics:
    """Any evaluator, whose scores are completed by those of the user's metrics.

    What else the evaluator offers (`further`, `project`) is passed on. A metric that fails during or after
    the training does not end the run: its score is NaN, and a note says why.

    Raises:
        UserError: a metric has the name of a score that the evaluator gives.
    """

    def __init__(self, evaluator: Evaluator, metrics: Sequence[UserMetric]) -> None:
        taken = (*evaluator.names, *getattr(evaluator, "further", ()))
        for metric in metrics:
            if metric.name in taken:
                raise UserError(
                    f"{metric.key} has the name of a score that this evaluation gives ({', '.join(taken)})",
                    "choose another name",
                    key=metric.key,
                    value=metric.name,
                )
        self._evaluator, self.metrics = evaluator, tuple(metrics)

    @property
    def names(self) -> tuple[str, ...]:
        return (*self._evaluator.names, *(metric.name for metric in self.metrics))

    def __getattr__(self, name: str) -> Any:
        if name == "_evaluator":  # not there yet, while a copy is made
            raise AttributeError(name)
        return getattr(self._evaluator, name)

    def validate(
        self, predictor: Predictor, loaders: Loaders, names: Collection[str] | None = None
    ) -> dict[str, float]:
        """The metrics' scores of the valid part, then those of the evaluator that are named.

        A narrow terminal has no room for all of them: the epoch table prints the first ones.
        """
        if loaders.valid is None:
            return validated(self._evaluator, predictor, loaders, names)
        once = _gathering_once(predictor)
        values = validated(self._evaluator, once, loaders, names)
        return {**self._measure(once, loaders.valid)[0], **values}

    def score(
        self, predictor: Predictor, loaders: Loaders, part: str, untrained: Callable[[], Predictor]
    ) -> Scores:
        """The evaluator's scores of `part`, then the metrics'."""
        once = _gathering_once(predictor)
        scores = self._evaluator.score(once, loaders, part, untrained)
        values, notes = self._measure(once, loader_of(loaders, part))
        return replace(scores, values={**scores.values, **values}, notes=(*scores.notes, *notes))

    def pool(
        self, outputs: Tensor, targets: Tensor, *, names: Collection[str] | None = None
    ) -> dict[str, float]:
        """The scores of all folds' predictions together, see `harness.core.protocol.Evaluator`."""
        rows = known(targets)
        predictions = outputs if self.metrics[0].task.kind == "regression" else outputs.exp()
        own = {
            metric.name: _value(metric, predictions[rows], targets[rows])[0]
            for metric in self.metrics
            if names is None or metric.name in names
        }
        inner = hasattr(self._evaluator, "pool")
        return {**(pooled(self._evaluator, outputs, targets, names=names) if inner else {}), **own}

    def try_metrics(self, loaders: Loaders) -> None:
        """Calls each metric once with the targets of the valid part, else of the training rows.

        Raises:
            UserError: a metric raises, or gives no number.
        """
        targets = (loaders.valid or loaders.train).targets
        if targets is None or not known(targets).any():
            return
        for metric in self.metrics:
            try_metric(metric, targets[known(targets)])

    def _measure(self, predictor: Predictor, loader: Loader) -> tuple[dict[str, float], list[str]]:
        """The metrics' values, and what went wrong with them."""
        outputs, targets = answers(predictor, loader, "classification")
        predictions = predictions_of(predictor.task, outputs)
        targets = targets.to(predictions.device)
        values: dict[str, float] = {}
        notes = []
        for metric in self.metrics:
            values[metric.name], note = _value(metric, predictions, targets)
            notes += [note] if note else []
        return values, notes


def _value(metric: UserMetric, predictions: Tensor, targets: Tensor) -> tuple[float, str]:
    """The value and "", or NaN and what the metric raised."""
    try:
        return metric(predictions, targets), ""
    except Exception as error:
        reason = described(error)
        return math.nan, f"{metric.key} is undefined, because the metric raised {reason}"


def _gathering_once(predictor: Predictor) -> Predictor:
    """The same predictor; it predicts the rows of a part once and keeps the predictions."""
    kept: dict[int, Prediction] = {}

    def gather(loader: Loader) -> Prediction:
        if id(loader) not in kept:
            kept[id(loader)] = predictor.gather(loader)
        return kept[id(loader)]

    twin = copy.copy(predictor)
    object.__setattr__(twin, "gather", gather)  # the class is frozen
    return twin
