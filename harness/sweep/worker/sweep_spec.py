"""Spec: all that a worker must know, wherever it works."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.sweep.space.search_space import Space
from harness.sweep.space.swept_value import Point
from harness.sweep.study.snapshot import Objective
from harness.sweep.study.sweep_location import SweepLocation
from harness.sweep.study.sweep_settings import SweepSettings
from harness.sweep.study.trial_queue import Budget
from harness.sweep.worker.trial_config import TrialComposer


@dataclass(frozen=True)
class SweepSpec:
    """It travels to other processes, perhaps on other machines, so it holds plain values only.

    here     the folder in which the command was typed: relative paths mean it on every launcher
    typed    the words of the command line
    epochs   of a training; None where it ends by time or steps
    folds    of a run
    launch   names the workers that one command has launched
    token    of the command, whose processes share what is cached for it
    sampler  the node of `sweep.sampler`; None: the points are queued
    pruner   the node of `sweep.pruner`; None: nothing is pruned
    """

    place: SweepLocation
    here: Path
    typed: tuple[str, ...]
    settings: SweepSettings
    space: Space
    composer: TrialComposer
    objectives: tuple[Objective, ...]
    epochs: int | None
    folds: int
    launch: str
    token: str
    until: float | None
    trials: int | None
    sampler: Mapping[str, Any] | None
    pruner: Mapping[str, Any] | None

    @property
    def root(self) -> Path:
        """The sweep's folder."""
        return self.place.folder

    @property
    def options(self) -> tuple[str, ...]:
        """What a command needs before its words to find the same configuration."""
        given = [place for provider, place in self.composer.places if provider == "command-line"]
        return tuple(word for place in given for word in ("--config-dir", place.removeprefix("file://")))

    def queued_points(self) -> Iterator[Point]:
        """The points to try first: every point of a grid, else those of `sweep.enqueue`.

        Raises:
            UserError: a point of `sweep.enqueue` is not in the space.
        """
        if self.sampler is None:
            yield from self.space.grid()
        else:
            for point in self.settings.enqueue:
                yield self.space.complete(dict(point), "sweep.enqueue")

    @property
    def budget(self) -> Budget:
        return Budget(self.trials, self.settings.stagnation, self.until)
