"""Sklearn: any data set that scikit-learn includes, or has downloaded before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pandas as pd

from harness.core.errors import UserError
from harness.core.near_names import near
from harness.core.table import Table
from harness.data.extract.bundled import Name, bundled, installed, labels_of
from harness.data.extract.source import Source

_LOADED = ("linnerud",)
_FETCHED = ("california_housing", "covtype", "olivetti_faces")
NAMES = (*get_args(Name), *_LOADED, *_FETCHED)


class Sklearn(Source):
    """A data set of scikit-learn by its name there: `wine` is that of `load_wine`.

    Those of `fetch_…` are read where scikit-learn keeps what it has downloaded; nothing is downloaded
    here. Where `target` is None, the targets are the set's own (three in linnerud); a label without a
    role becomes no feature. The other arguments are those of `Source`.

    Args:
        name: one of `NAMES`.
    """

    def __init__(self, *, name: str, **roles: Any) -> None:
        if name not in NAMES:
            raise ValueError(f"name must be a data set of scikit-learn, got {name!r}; {near(name, NAMES)}")
        super().__init__(name=name, **roles)
        self.data = name

    def __call__(self) -> Table:
        """Raises UserError: the set was never downloaded, or roles that its columns do not fit."""
        frame, targets, others = self._read()
        roles = self.roles
        if roles.target is None:
            roles = replace(roles, target=[column for column in targets if column not in roles.drop])
        used = roles.named.union(roles.drop)
        unused = [column for column in (*targets, *others) if column not in used]
        roles = replace(roles, drop=[*roles.drop, *unused])
        return roles.assign(frame, self.data, f"scikit-learn: {self.data}")

    def fingerprint(self) -> str:
        """The data is included in scikit-learn or downloaded by it, so it follows from its version."""
        return installed()

    def _read(self) -> tuple[pd.DataFrame, tuple[str, ...], tuple[str, ...]]:
        """The columns of the set, its targets, and its other labels."""
        for name in get_args(Name):
            if name == self.data:
                target, *others = labels_of(name)
                return bundled(name), (target,), tuple(others)
        from sklearn import datasets

        if self.data in _LOADED:
            return _framed(getattr(datasets, f"load_{self.data}")())
        return _framed(self._fetched(getattr(datasets, f"fetch_{self.data}")))

    def _fetched(self, fetch: Callable[..., Any]) -> Any:
        try:
            return fetch(download_if_missing=False)
        except OSError:
            raise UserError(
                f"data.extract.name={self.data} is not on this machine, and nothing is downloaded unasked; "
                f'get it with python -c "from sklearn.datasets import {fetch.__name__} as fetch',
                'fetch()"',
                key="data.extract.name",
            ) from None


def _framed(dataset: Any) -> tuple[pd.DataFrame, tuple[str, ...], tuple[str, ...]]:
    """The arrays `data` and `target` of scikit-learn as columns with its column names, if it has some."""
    data, target = np.asarray(dataset["data"]), np.asarray(dataset["target"])
    target = target.reshape(len(data), -1)
    names = dataset.get("feature_names") or [f"x{i}" for i in range(data.shape[1])]
    labels = dataset.get("target_names") or ["target"]
    if len(labels) != target.shape[1]:
        labels = ["target"]
    frame = pd.DataFrame(data, columns=list(names))
    for position, label in enumerate(labels):
        frame[label] = target[:, position]
    return frame, tuple(labels), ()
