"""Baselines that are fitted on a fold's own rows: a linear model and gradient boosting, by scikit-learn.

They see what the network sees: the transformed features of the training rows with a known target. Codes of
categories are one-hot for the linear model, and categories for boosting, which takes 255 of a column.
Boosting stops early by the validation rows, from which the network takes its best epoch.
"""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from harness.core.arrays import Loader
from harness.core.code_columns import one_hot, without_rare
from harness.core.task import Task
from harness.evaluate.scored_rows import known

_LEAST = 1e-12
"""The least probability of a class, so that the log-loss of one that no training row has is finite."""

_MOST_ITERATIONS = 500
_PENALTIES = np.logspace(-3, 4, 15)

_MOST_ALONE = 50_000
"""Training rows x features up to which boosting takes one thread: its loops are so short that a second thread
costs more time than it saves."""

_MOST_CATEGORIES = 255
"""The categories of a column that scikit-learn's boosting takes."""


class LabelledRows(NamedTuple):
    """The rows of a part with a known target.

    inputs   (n, F) float32
    targets  (n,) int64 class codes or float64 numbers, (n, T) numbers or labels 0 and 1
    codes    as those of `Arrays`
    """

    inputs: np.ndarray
    targets: np.ndarray
    codes: tuple[int, ...] = ()


def labelled_rows(loader: Loader | None, codes: tuple[int, ...] = ()) -> LabelledRows | None:
    """The labelled rows of a part, each flattened; None without any."""
    if loader is None or loader.targets is None:
        return None
    kept = known(loader.targets).cpu()
    if not kept.any():
        return None
    inputs = torch.cat([batch.inputs.flatten(1).cpu() for batch in loader.ordered()])
    return LabelledRows(inputs[kept].float().numpy(), loader.targets.cpu()[kept].numpy(), codes)


def fitted(
    name: str, task: Task, train: LabelledRows, valid: LabelledRows | None, seed: int
) -> FittedBaseline:
    """A baseline fitted on the training rows; boosting stops by the validation rows.

    Raises:
        Exception: whatever scikit-learn raises.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fit that has not converged is a baseline too
        linear = name == "linear"
        fit = _linear if linear else _boosting
        train = _readable(train, linear=linear)
        valid = None if valid is None else _readable(valid, linear=linear)
        columns = train.targets.shape[1] if train.targets.ndim == 2 else 1
        classes = task.kind != "regression"
        estimators = []
        for place in range(columns):
            parts = [_column(part, place) for part in (train, valid)]
            estimators.append(fit(parts[0], parts[1], classes, seed))
        return FittedBaseline(task, estimators, linear=linear)


def _readable(rows: LabelledRows, *, linear: bool) -> LabelledRows:
    """The rows with the codes of categories as the estimator takes them."""
    inputs = torch.from_numpy(rows.inputs)
    made = one_hot(inputs, rows.codes) if linear else without_rare(inputs, rows.codes, _MOST_CATEGORIES)
    return rows._replace(inputs=made.numpy())


class FittedBaseline:
    """Fitted estimators, one for each target."""

    def __init__(self, task: Task, estimators: list[Any], *, linear: bool) -> None:
        self._task, self._estimators, self._linear = task, estimators, linear

    def __call__(self, rows: LabelledRows) -> Tensor:
        """What `Evaluator.pool` takes of the task: log-probabilities or numbers, float64."""
        inputs = _readable(rows, linear=self._linear).inputs
        if self._task.classification:
            shares = _shares(self._estimators[0], inputs, len(self._task.classes))
            return torch.from_numpy(np.log(np.clip(shares, _LEAST, 1.0)))
        if self._task.kind == "multilabel":
            present = [_shares(each, inputs, 2)[:, 1] for each in self._estimators]
            return torch.from_numpy(np.log(np.clip(np.stack(present, axis=1), _LEAST, 1 - _LEAST)))
        numbers = np.stack([each.predict(inputs) for each in self._estimators], axis=1).astype(np.float64)
        return torch.from_numpy(numbers if self._task.several else numbers[:, 0])


def _column(part: LabelledRows | None, place: int) -> Any:
    if part is None or part.targets.ndim == 1:
        return part
    return part._replace(targets=part.targets[:, place])


def _shares(estimator: Any, inputs: np.ndarray, classes: int) -> np.ndarray:
    """(n, C) probabilities; 0 of a class that no training row has."""
    shares = np.zeros((len(inputs), classes))
    shares[:, estimator.classes_.astype(np.int64)] = estimator.predict_proba(inputs)
    return shares


def _linear(train: LabelledRows, valid: LabelledRows | None, classes: bool, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if classes and (train.targets == train.targets[0]).all():
        return _constant(train)
    model = LogisticRegression(max_iter=1000) if classes else RidgeCV(alphas=_PENALTIES)
    return make_pipeline(StandardScaler(), model).fit(train.inputs.astype(np.float64), train.targets)


def _boosting(train: LabelledRows, valid: LabelledRows | None, classes: bool, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    if classes:
        if (train.targets == train.targets[0]).all():
            return _constant(train)
        if valid is not None:  # one class more in the validation rows is an error
            seen = np.isin(valid.targets, train.targets)
            valid = LabelledRows(valid.inputs[seen], valid.targets[seen], valid.codes) if seen.any() else None
    make = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    early = valid is not None
    features = train.inputs.shape[1]
    model = make(
        max_iter=_MOST_ITERATIONS if early else 100,
        early_stopping=early,
        random_state=seed % 2**32,
        categorical_features=[*range(features - len(train.codes), features)] or None,
    )
    beside = {} if valid is None else {"X_val": valid.inputs, "y_val": valid.targets}
    with _one_thread() if train.inputs.size <= _MOST_ALONE else nullcontext():
        return model.fit(train.inputs, train.targets, **beside)


def _one_thread() -> AbstractContextManager[Any]:
    """Within this context scikit-learn's loops take one thread; the results have the same bits."""
    limit: AbstractContextManager[Any] = _thread_pools().limit(limits=1, user_api="openmp")
    return limit


@cache
def _thread_pools() -> Any:
    """Those of the libraries that are loaded; scikit-learn's boosting must be imported before."""
    from threadpoolctl import ThreadpoolController  # scikit-learn needs it, too

    return ThreadpoolController()


def _constant(train: LabelledRows) -> Any:
    from sklearn.dummy import DummyClassifier

    return DummyClassifier(strategy="most_frequent").fit(train.inputs, train.targets)
