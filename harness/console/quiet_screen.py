"""The screen of a run that prints nothing, such as a trial of a sweep."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import final

from harness.core.progress import Progress
from harness.runs.run_result import Result


@final
class QuietScreen:
    """Accepts the calls of `harness.console.screen.Screen`; remarks go to the run's log."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log

    def opening(self, facts: dict[str, str], monitor: str = "") -> None:
        return None

    def fold(
        self, number: int, folds: int, rows: dict[str, int], names: Mapping[str, int] | None = None
    ) -> None:
        return None

    def epoch(self, progress: Progress, fold: int | None = None) -> None:
        return None

    def fact(self, name: str, fact: str) -> None:
        return None

    def note(self, text: str) -> None:
        self._log.warning("%s", text)

    def say(self, text: str) -> None:
        """Plain lines, such as the table of a debug mode, go to the log."""
        self._log.info("%s", text)

    def fold_scores(self, number: int, scores: dict[str, float]) -> None:
        return None

    def closing(
        self,
        result: Result,
        folder: Path,
        link: str | None = None,
        ui: str | None = None,
        go_on: str | None = None,
    ) -> None:
        return None

    def close(self) -> None:
        return None
