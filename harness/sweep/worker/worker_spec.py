"""Spec: all that a worker must know, wherever it works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.sweep.space.search_space import Space
from harness.sweep.study.snapshot import Objective
from harness.sweep.study.trial_queue import Budget
from harness.sweep.sweep_location import Place
from harness.sweep.sweep_settings import Settings
from harness.sweep.worker.trial_config import Composer


@dataclass(frozen=True)
class Spec:
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

    place: Place
    here: Path
    typed: tuple[str, ...]
    settings: Settings
    space: Space
    composer: Composer
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

    @property
    def budget(self) -> Budget:
        return Budget(self.trials, self.settings.stagnation, self.until)
