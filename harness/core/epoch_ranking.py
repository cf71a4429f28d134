"""Which epoch of a training is the best one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.core.scores import NONE_DECLARED, Direction, direction

KEY = "trainer.best_by"


@dataclass(frozen=True)
class EpochRanking:
    """By which scores epochs are compared.

    names       full names of scores: the first decides, each later one only between epochs that are equal in
                all before it
    directions  of each score
    latest      which of epochs is best that are equal in all: the latest, else the earliest
    """

    names: tuple[str, ...]
    directions: tuple[Direction, ...]
    latest: bool

    @classmethod
    def of(
        cls,
        monitor: str,
        best_by: str | Sequence[str] | None,
        declared: Mapping[str, Direction] = NONE_DECLARED,
    ) -> EpochRanking:
        """The ranking of `trainer.monitor` and `trainer.best_by`.

        Args:
            best_by: None, as in runs without this setting: `monitor`, and the latest of equal epochs.
            declared: the directions of the user's own metrics, by plain name.

        Raises:
            ValueError: `best_by` names no score.
        """
        if best_by is not None and not best_by:
            raise ValueError("best_by must be auto, null, or name a score or more, got []")
        given = [best_by] if isinstance(best_by, str) else best_by
        names = tuple(given or [monitor])
        return cls(names, tuple(direction(name, declared) for name in names), latest=given is None)

    @classmethod
    def stored(cls, config: Mapping[str, Any], declared: Mapping[str, Direction]) -> EpochRanking:
        """The ranking of a stored configuration."""
        trainer = config.get("trainer") or {}
        return cls.of(str(trainer.get("monitor", "")), trainer.get("best_by"), declared)

    @property
    def first(self) -> str:
        """The score that decides."""
        return self.names[0]

    @property
    def first_direction(self) -> Direction:
        return self.directions[0]

    def rank(self, scores: Mapping[str, float]) -> tuple[float, ...] | None:
        """What is compared, higher is better; None where the first score is absent or NaN: never best."""
        values = [scores.get(name, math.nan) for name in self.names]
        if math.isnan(values[0]):
            return None
        signs = [1.0 if better == "maximize" else -1.0 for better in self.directions]
        signed = [sign * value for sign, value in zip(signs, values, strict=True)]
        return tuple(-math.inf if math.isnan(value) else value for value in signed)

    def best(self, epochs: Mapping[int, Mapping[str, float]]) -> int | None:
        """The best epoch by its number; None where none has the first score."""
        ranks = {epoch: self.rank(scores) for epoch, scores in epochs.items()}
        known = {epoch: rank for epoch, rank in ranks.items() if rank is not None}
        if not known:
            return None
        highest = max(known.values())
        equal = [epoch for epoch, rank in known.items() if rank == highest]
        return max(equal) if self.latest else min(equal)
