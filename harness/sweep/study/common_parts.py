"""What the trials of a study have in common is kept once in the memory of a process.

A journal is read line by line, and each line brings its own texts: the names of thirty scores, the worker,
the distributions. Of a small trial that is half of its memory.
"""

from __future__ import annotations

import sys
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial


class CommonParts:
    """Makes equal parts of trials one object each; the trials stay equal."""

    def __init__(self) -> None:
        self._distributions: dict[str, BaseDistribution] = {}
        self._last: dict[str, Any] = {}  # by the name of the attribute
        self._whole: dict[str, dict[str, Any]] = {}  # the last dictionary of each kind

    def share(self, trial: FrozenTrial) -> None:
        """Replaces parts of a trial that has ended, which nothing changes any more."""
        trial.user_attrs = self._attributes(trial.user_attrs)
        trial.system_attrs = self._as_last("system", self._attributes(trial.system_attrs))
        trial.params = _named_once(trial.params)
        distributions = {
            sys.intern(name): self._distributions.setdefault(repr(each), each)
            for name, each in trial.distributions.items()
        }
        trial.distributions = self._as_last("distributions", distributions)

    def _attributes(self, attributes: dict[str, Any]) -> dict[str, Any]:
        return {sys.intern(name): self._value(name, value) for name, value in attributes.items()}

    def _value(self, name: str, value: Any) -> Any:
        if type(value) is not dict:
            return value
        last = self._last.get(name)
        # Equal numbers may be of several types.
        if value == last and repr(value) == repr(last):
            return last
        self._last[name] = _named_once(value)
        return self._last[name]

    def _as_last(self, kind: str, made: dict[str, Any]) -> dict[str, Any]:
        """The last dictionary of this kind where that has the same objects by the same names."""
        last = self._whole.get(kind, {})
        if list(last) == list(made) and all(last[name] is made[name] for name in made):
            return last
        self._whole[kind] = made
        return made


def _named_once(values: dict[str, Any]) -> dict[str, Any]:
    """The dictionary with keys that all dictionaries share; Python forgets those that none has any more."""
    return {sys.intern(key): value for key, value in values.items()}
