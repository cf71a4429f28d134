"""The place of a run in the sweep that it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Trial:
    """Identifies a run as a trial; such a run prints nothing and draws no plots.

    number   in the study
    parent   the folder of the sweep, relative to the run's; it contains the parent run of MLflow
    tags     additional tags of the run: the sweep, the study, the number
    tests    whether its test rows are scored and predicted; a sweep does this for its best trial only
    """

    number: int
    parent: str = ".."
    tags: Mapping[str, object] = field(default_factory=dict)
    tests: bool = False
