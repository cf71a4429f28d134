"""User metrics: a class of torchmetrics, a function of scikit-learn or any callable, and what it receives."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from harness.core.error_text import described
from harness.core.errors import UserError, sentence
from harness.core.task import Task
from harness.evaluate.classification_metrics import log_probabilities
from harness.evaluate.scored_rows import exact

_TASK_NAMES = {"binary": "binary", "multiclass": "multiclass", "multilabel": "multilabel"}

_PROBABILITIES = frozenset({"y_score", "y_prob", "y_proba", "pred_decision"})
"""Second parameters of scikit-learn's functions that are probabilities; others are predicted classes."""

_OF_PROBABILITIES = frozenset({"log_loss", "d2_log_loss_score"})
"""Functions of scikit-learn that take probabilities, although their parameter is called `y_pred`."""


class UserMetric:
    """One metric of the user's, bound to the task of the data.

    What it receives, always of the rows whose target is known:

    ==================  ===========================================  =========================
    task                predictions                                  targets
    ==================  ===========================================  =========================
    one class per row   (n, C) float64 probabilities                 (n,) int64 class codes
    several labels      (n, L) float64 probabilities, one per label  (n, L) int64, 0 and 1
    numbers             (n,) or (n, T) float64, in the target's unit (n,) or (n, T) float64
    ==================  ===========================================  =========================

    A torchmetrics metric for two classes gets (n,), the probability of class 1, as torchmetrics expects.
    A function of scikit-learn, or one whose first parameter is `y_true`, is called as scikit-learn's are:
    (targets, predictions), NumPy arrays on the CPU. The predictions are predicted classes then; where the
    second parameter is `y_score` or `y_proba`, they are probabilities, of two classes the second's.

    `num_classes`, `num_labels` and `task` are filled in where the signature has them and
    the configuration does not give them.

    Args:
        name: of the score, such as "mcc".
        function: a class, whose instances are called, or a function.
        keywords: further arguments, from the configuration.
        task: of the data.

    Raises:
        UserError: the task has no target.
    """

    def __init__(
        self, name: str, function: Callable[..., Any], keywords: Mapping[str, Any], task: Task
    ) -> None:
        if not task.labelled:
            raise UserError(
                f"evaluate.metrics.{name} compares predictions with targets, and the data has no target",
                f"name its column with data.extract.target=COLUMN, or leave out +evaluate.metrics.{name}",
                key=f"evaluate.metrics.{name}",
            )
        self.name, self.key, self.task = name, f"evaluate.metrics.{name}", task
        self._function = function
        self._keywords = {**_filled(function, keywords, task), **keywords}
        self._torchmetrics = _home(function) == "torchmetrics"
        self._first_is_truth = _home(function) == "sklearn" or _parameters(function)[:1] == ["y_true"]

    def __call__(self, predictions: Tensor, targets: Tensor) -> float:
        """The metric's value; NaN without rows.

        Raises:
            Exception: whatever the metric raises.
            ValueError: it returned no single number.
        """
        if len(targets) == 0:
            return math.nan
        if not targets.is_floating_point() or self.task.kind == "regression":
            return self._value(predictions, targets)
        return self._value(predictions, targets.long())

    @torch.no_grad()
    def _value(self, predictions: Tensor, targets: Tensor) -> float:
        if self._first_is_truth:
            truth, predicted = targets.cpu().numpy(), self._as_sklearn_takes(predictions).cpu().numpy()
            return _number(self._function(truth, predicted, **self._keywords))
        if self._torchmetrics and self._takes_one_probability:
            predictions = predictions[:, 1]
        if not inspect.isclass(self._function):
            return _number(self._function(predictions, targets, **self._keywords))
        metric: Any = self._function(**self._keywords)
        if self._torchmetrics:
            metric = metric.to(predictions.device)
            # Every process scores all rows; together they would count each row several times.
            metric.sync_on_compute = False
            metric.update(predictions, targets)
            return _number(metric.compute())
        return _number(metric(predictions, targets))

    @property
    def _takes_one_probability(self) -> bool:
        """Whether a metric of torchmetrics is one for two classes, which takes the second's probability."""
        if self.task.kind != "binary":
            return False
        return self._keywords.get("task", "binary") == "binary" and "num_classes" not in self._keywords

    def _as_sklearn_takes(self, predictions: Tensor) -> Tensor:
        """Predicted classes or labels; for `y_score`, probabilities, of two classes the second's."""
        if self.task.kind == "regression":
            return predictions
        scores = bool(_PROBABILITIES.intersection(_parameters(self._function)[1:2]))
        if not scores and self._function.__name__ not in _OF_PROBABILITIES:
            return predictions.argmax(dim=1) if self.task.classification else (predictions > 0.5).long()
        return predictions[:, 1] if self.task.kind == "binary" else predictions


def predictions_of(task: Task, outputs: Tensor) -> Tensor:
    """What a metric receives, from the outputs of a network, see `UserMetric`."""
    if task.classification:
        return log_probabilities(outputs).exp()
    return exact(outputs).sigmoid() if task.kind == "multilabel" else exact(outputs)


def try_metric(metric: UserMetric, targets: Tensor) -> None:
    """Calls a metric once with the known targets of a part and made-up predictions, before any training.

    Raises:
        UserError: the metric raises, returns no single number, or returns NaN.
    """
    try:
        value = metric(_made_up(metric.task, targets), targets)
    except Exception as error:
        raise _refused(metric, described(error)) from error
    if math.isnan(value) and len(targets):
        raise _refused(metric, "it returned NaN")


def _refused(metric: UserMetric, reason: str) -> UserError:
    return UserError(
        f"{metric.key} must give one number for predictions and targets, and a trial call before "
        f"training failed: {sentence(reason).removesuffix('.')}",
        f"check its arguments, or leave out +{metric.key}",
        key=metric.key,
    )


def _made_up(task: Task, targets: Tensor) -> Tensor:
    """Returns random predictions of the right shape and range; does not change the global generators."""
    if task.kind == "regression":
        return exact(targets).roll(1, dims=0)
    noise = torch.rand(len(targets), len(task.classes), generator=torch.Generator().manual_seed(0))
    chances = exact(noise).to(exact(targets).device)
    return chances / chances.sum(dim=1, keepdim=True) if task.classification else chances


def _filled(function: Callable[..., Any], given: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """The arguments that follow from the data, where the signature has them."""
    wanted = [name for name in _parameters(function) if name not in given]
    arguments: dict[str, Any] = {}
    kind = _TASK_NAMES.get(task.kind)
    if kind is not None and "task" in wanted:
        arguments["task"] = kind
    kind = given.get("task", kind)
    chosen_by_task = "task" in _parameters(function)
    if task.classification and "num_classes" in wanted and (kind == "multiclass" or not chosen_by_task):
        arguments["num_classes"] = len(task.classes)
    if task.kind == "multilabel" and "num_labels" in wanted:
        arguments["num_labels"] = len(task.classes)
    return arguments


def _parameters(function: Callable[..., Any]) -> list[str]:
    """The names of a call's parameters; those of `__new__` as well, where torchmetrics chooses the class."""
    makers = [function]
    if inspect.isclass(function):
        makers = [
            vars(cls)[name]
            for cls in function.__mro__[:-1]
            for name in ("__new__", "__init__")
            if name in vars(cls)
        ]
    names: dict[str, None] = {}
    for maker in makers:
        try:
            parameters = inspect.signature(maker).parameters
        except (TypeError, ValueError):  # written in C
            continue
        names |= dict.fromkeys(name for name in parameters if name not in ("self", "cls"))
    return list(names)


def _home(function: Callable[..., Any]) -> str:
    """The package that a callable comes from."""
    return str(getattr(function, "__module__", "")).partition(".")[0]


def _number(value: Any) -> float:
    if isinstance(value, Tensor) and value.numel() == 1:
        return float(value.item())
    shape = getattr(value, "shape", ())
    if math.prod(shape) != 1:
        raise ValueError(
            f"a metric returns one number, and this one returned an array of shape {tuple(shape)}"
        )
    try:
        return float(value)
    except TypeError:
        raise ValueError(
            f"a metric returns one number, and this one returned {type(value).__name__}"
        ) from None
