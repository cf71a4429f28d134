"""Trial: what a run is to the sweep that it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Trial:
    """A run that is compared with others tells less of itself: no line on the screen, no picture.

    number   in the study
    parent   the folder of the sweep, relative to the run's: where MLflow finds the parent run
    tags     what the run is tagged with beside its own: the sweep, the study, the number
    tests    whether its test rows are scored and predicted; a sweep has that done for its best trial alone
    """

    number: int
    parent: str = ".."
    tags: Mapping[str, object] = field(default_factory=dict)
    tests: bool = False
