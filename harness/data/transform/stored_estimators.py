"""The estimators of scikit-learn that a file may name: those that compute with arrays alone."""

from __future__ import annotations

import inspect
from functools import cache
from importlib import import_module
from typing import Any

from harness.core.errors import UserError

PACKAGES = (
    "sklearn.compose",
    "sklearn.cross_decomposition",
    "sklearn.decomposition",
    "sklearn.discriminant_analysis",
    "sklearn.feature_selection",
    "sklearn.impute",
    "sklearn.kernel_approximation",
    "sklearn.linear_model",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "sklearn.random_projection",
)
"""Their public estimators compute with arrays alone, and may be stored; others read files, keep caches or
hold memory that compiled code reads unchecked."""

CACHE = "memory"
"""The one setting of these estimators that names files: joblib unpickles what it finds in that folder."""


class UntrustedState(UserError):
    """A stored transform holds something that is not built from a file.

    Args:
        what: the class, setting or value.
        why: behind "which", such as `is no transformer of scikit-learn`.
    """

    def __init__(self, what: str, why: str) -> None:
        super().__init__(
            f"the stored transform holds {what}, which {why}",
            "use only models whose origin you trust, with the data.transform that they were trained with",
            key="data.transform",
            value=what,
        )
        self.what = what


@cache
def stored_class(name: str) -> type:
    """The estimator that a stored state, or a configuration from elsewhere, may name.

    Args:
        name: as `sklearn.preprocessing.StandardScaler`.

    Raises:
        UntrustedState: it is none of the public estimators of `PACKAGES`.
    """
    package, _, own = name.rpartition(".")
    if package in PACKAGES:
        from sklearn.base import BaseEstimator

        named: Any = getattr(import_module(package), own, None)
        public = inspect.isclass(named) and not own.startswith("_") and issubclass(named, BaseEstimator)
        if public and _is_itself(named, package):
            cls: type = named
            return cls
    raise UntrustedState(name, "is no estimator of scikit-learn that computes with arrays alone")


def full_name(cls: type) -> str:
    """Module and name of a class."""
    return f"{cls.__module__}.{cls.__qualname__}"


def _is_itself(cls: type, package: str) -> bool:
    """Whether a class is defined in this package, under its own name."""
    home: Any = import_module(cls.__module__)
    return f"{cls.__module__}.".startswith(f"{package}.") and getattr(home, cls.__name__, None) is cls
