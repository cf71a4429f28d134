"""The fits of the baselines of a fold, by scikit-learn: a linear model and gradient boosting.

This module does without torch, so that a process that only fits baselines (`baseline_program.py`) need not
import it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from harness.core.task import Task

_LEAST = 1e-12
"""The least probability of a class, so that the log-loss of one that no training row has is finite."""

_MOST_ITERATIONS = 500
_PENALTIES = np.logspace(-3, 4, 15)

_MOST_ALONE = 50_000
"""Training rows x features up to which boosting takes one thread: its loops are so short that a second thread
costs more time than it saves."""


class LabelledRows(NamedTuple):
    """The rows of a part with a known target.

    inputs   (n, F) float32
    targets  (n,) int64 class codes or float64 numbers, (n, T) numbers or labels 0 and 1
    codes    as those of `Arrays`
    """

    inputs: np.ndarray
    targets: np.ndarray
    codes: tuple[int, ...] = ()


class Fit(NamedTuple):
    """A baseline to be fitted.

    name    "linear" or "boosting"
    train   the rows that it is fitted on, with the codes of categories as it takes them
    valid   those by which boosting stops; None: there are none
    others  (n, F) float32 by the name of a part: what is then predicted
    """

    name: str
    task: Task
    train: LabelledRows
    valid: LabelledRows | None
    others: dict[str, np.ndarray]
    seed: int


def predicted(fit: Fit) -> dict[str, np.ndarray]:
    """Fits the baseline; its outputs for each of the other parts: what `Evaluator.pool` takes of the task.

    These are log-probabilities (n, C), (n, T) or numbers (n,), (n, T), float64.

    Raises:
        Exception: whatever scikit-learn raises.
    """
    estimators = fit_estimators(fit)
    return {part: _outputs(fit.task, estimators, inputs) for part, inputs in fit.others.items()}


def fit_estimators(fit: Fit) -> list[Any]:
    """The estimators of scikit-learn, one for each target.

    Raises:
        Exception: whatever scikit-learn raises.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fit that has not converged is a baseline too
        make = _linear if fit.name == "linear" else _boosting
        columns = fit.train.targets.shape[1] if fit.train.targets.ndim == 2 else 1
        classes = fit.task.kind != "regression"
        estimators = []
        for place in range(columns):
            parts = [_column(part, place) for part in (fit.train, fit.valid)]
            estimators.append(make(parts[0], parts[1], classes, fit.seed))
        return estimators


def _outputs(task: Task, estimators: Sequence[Any], inputs: np.ndarray) -> np.ndarray:
    """Those of the estimators, one for each target."""
    if task.classification:
        shares = _shares(estimators[0], inputs, len(task.classes))
        return np.asarray(np.log(np.clip(shares, _LEAST, 1.0)))
    if task.kind == "multilabel":
        present = [_shares(each, inputs, 2)[:, 1] for each in estimators]
        return np.asarray(np.log(np.clip(np.stack(present, axis=1), _LEAST, 1 - _LEAST)))
    numbers = np.stack([each.predict(inputs) for each in estimators], axis=1).astype(np.float64)
    return numbers if task.several else numbers[:, 0]


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
