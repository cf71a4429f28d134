"""The user's callbacks of a run: called at fixed points of a run, and what happens when one raises.

A callback is any callable `(fold, progress)`, called at the end of each epoch. It may also have the methods
`run_started(log)`, `fold_started(fold)`, `fold_done(fold, scores)` and `run_done(scores)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.callbacks.run_output import RunLog
from harness.core.errors import CallbackFailed, Pruned
from harness.core.fold import Fold
from harness.core.progress import Progress

OnError = Literal["warn", "fail"]


@dataclass(frozen=True)
class Callback:
    """One callback by its name in the configuration; `on_error`: one warning, or the run fails."""

    name: str
    part: Any
    on_error: OnError = "warn"


class RunCallbacks:
    """All callbacks of a run as one consumer of `Progress`.

    One that raises and has `on_error: warn` is left out for the rest of the run, after one warning.

    Args:
        callbacks: in the order in which they are called.
        log: what they may add to the run.
        key: of a fold, as the journal calls it.
        warn: takes the warning.
    """

    def __init__(
        self,
        callbacks: Sequence[Callback],
        log: RunLog,
        key: Callable[[Fold], str],
        warn: Callable[[str], None],
    ) -> None:
        self._active, self._log, self._key, self._warn = list(callbacks), log, key, warn

    def run_started(self) -> None:
        self._call("run_started", self._log)

    def fold_started(self, fold: Fold) -> None:
        self._log.key, self._log.step = self._key(fold), 0
        self._call("fold_started", fold)

    def __call__(self, fold: Fold, progress: Progress) -> None:
        self._log.step = progress.epoch
        self._call(None, fold, progress)

    def fold_done(self, fold: Fold, scores: Mapping[str, float]) -> None:
        self._log.key = self._key(fold)
        self._call("fold_done", fold, dict(scores))

    def run_done(self, scores: Mapping[str, float]) -> None:
        self._log.key = ""
        self._call("run_done", dict(scores))

    def _call(self, method: str | None, *arguments: object) -> None:
        for callback in list(self._active):
            function = callback.part if method is None else getattr(callback.part, method, None)
            if function is None:
                continue
            try:
                function(*arguments)
            except Pruned:
                raise
            except Exception as error:
                self._failed(callback, error)

    def _failed(self, callback: Callback, error: Exception) -> None:
        failure = CallbackFailed(callback.name, error)
        if callback.on_error == "fail":
            raise failure from error
        self._active.remove(callback)
        self._warn(f"{failure}; the run continues without it")
