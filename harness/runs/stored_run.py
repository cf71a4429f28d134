"""A stored run, read from the files in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import yaml
from omegaconf import DictConfig, OmegaConf

from harness.core.errors import UserError
from harness.core.scores import Direction, direction
from harness.runs.bundle_files import FACTS
from harness.runs.journal import Event, read
from harness.runs.run_history import RunHistory
from harness.runs.run_result import Result
from harness.runs.sweep_folders import SWEEPS
from harness.runs.tracking_state import State

EVALUATED = "evaluated.run"
"""The tag of an evaluation: of which run it is, which itself trained nothing."""

REFIT, ENSEMBLE = "refit", "ensemble"
"""Folders, below a run of several folds, of the models that stand for all of them."""

_RESULT = "result.json"
_CONFIG = "config.yaml"
_PACKAGES = "packages.txt"


@dataclass(frozen=True)
class StoredRun:
    """A run that was made before; nothing is read before it is asked for.

    folder   of the run
    fold     the number of the one fold that was named; None: the run as a whole
    foreign  whether it was fetched from a store, so that nobody here has written its configuration
    """

    folder: Path
    fold: int | None = None
    foreign: bool = False

    @property
    def label(self) -> str:
        """The shortest word that finds it: its folder's name, `<sweep>/<number>` of a trial."""
        own, above = self.folder.name, self.folder.parent
        if above.parent.parent.name == SWEEPS:  # one of a trial's repeats
            own, above = f"{above.name}/{own}", above.parent
        if above.parent.name == SWEEPS:
            own = f"{above.name}/{own}"
        return own if self.fold is None else f"{own}/fold-{self.fold}"

    @cached_property
    def events(self) -> list[Event]:
        """The lines of its journal."""
        return read(self.folder)[0]

    @cached_property
    def history(self) -> RunHistory:
        """Its journal, summed up: starts, ends, and whether it still runs."""
        return RunHistory(self.events)

    @property
    def begun(self) -> bool:
        """Whether its journal holds a `start` of the run itself; a process may be killed before that."""
        return self.history.start is not None

    @property
    def start(self) -> Event:
        """The last `start` of the run itself: name, parameters, tags, inputs.

        Raises:
            UserError: the run never began.
        """
        if self.history.start is None:
            raise UserError(f"{self.folder} holds no run that has begun", "name another run")
        return self.history.start

    @property
    def name(self) -> str:
        """What the user or the harness called it; several runs may share it."""
        return str(self.start["name"])

    @property
    def tags(self) -> dict[str, str]:
        """`git.commit`, `data.digest` and the like."""
        return dict(self.start["tags"])

    @cached_property
    def config(self) -> DictConfig:
        """Its `config.yaml`: resolved, but for `${oc.env:…}`; what was secret is `***`.

        Raises:
            UserError: it is gone, or is no mapping of plain values.
        """
        path = self.folder / _CONFIG
        try:
            loaded = OmegaConf.load(path)
        except OSError:
            raise UserError(
                f"{path} is gone, and with it what the run was", "name another", key=str(path)
            ) from None
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{path} cannot be read ({reason})", "name another run", key=str(path)) from None
        if not isinstance(loaded, DictConfig):
            raise UserError(f"{path} holds no mapping", "name another run", key=str(path))
        return loaded

    def direction(self, score: str) -> Direction:
        """Whether a score of it is better high or low; for a metric of the user's, its parameters say so."""
        declared = {
            key.split(".")[2]: value
            for key, value in self.start["params"].items()
            if key.startswith("evaluate.metrics.") and key.count(".") == 3 and value in get_args(Direction)
        }
        return direction(score, declared)

    @cached_property
    def result(self) -> Result | None:
        """None of a run that is at work, or was killed."""
        try:
            return Result.read(self.folder / _RESULT)
        except FileNotFoundError:
            return None

    @cached_property
    def packages(self) -> dict[str, str]:
        """Distribution -> version, as installed when it ended; {} where it did not."""
        try:
            lines = (self.folder / _PACKAGES).read_text(encoding="utf-8").splitlines()
        except OSError:
            return {}
        return dict(line.split("==", 1) for line in lines if "==" in line)

    @cached_property
    def state(self) -> State | None:
        """Where in MLflow it is; None of one that was not tracked."""
        return State.load(self.folder)

    @property
    def mlflow_id(self) -> str | None:
        """MLflow's id of the run, or of the fold that was named."""
        known = {} if self.state is None else self.state.runs
        return known.get("" if self.fold is None else f"fold-{self.fold}")

    @cached_property
    def models(self) -> dict[int, Path]:
        """The folders of the kept models by the number of their fold; where one fold was named, its own."""
        alone = self.folder / "model"
        found = {0: alone} if (alone / FACTS).exists() else {}
        for path in self.folder.glob(f"fold-*/model/{FACTS}"):
            number = path.parent.parent.name.removeprefix("fold-")
            if number.isdecimal():
                found[int(number)] = path.parent
        if self.fold is not None:
            found = {number: path for number, path in found.items() if number == self.fold}
        return dict(sorted(found.items()))

    @property
    def model(self) -> Path:
        """The folder of what stands for the run: its refit on all rows, else its ensemble, else its only one.

        Raises:
            UserError: it has none, or several and nothing that stands for them.
        """
        if self.fold is None:
            for name in (REFIT, ENSEMBLE):
                if (self.folder / name / FACTS).exists():
                    return self.folder / name
        if len(self.models) > 1:
            raise UserError(
                f"{self.label} has {len(self.models)} models, one per fold; name one of them, such as "
                f"{self.label}/fold-{next(iter(self.models))}, or put them together with --ensemble."
            )
        if not self.models:
            raise UserError(
                f"{self.label} has no model, which a run keeps when it is finished; name a finished run."
            )
        return next(iter(self.models.values()))


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What differs, by key in the order of first sight, as (old, new); "absent" where one has no such key."""
    keys = dict.fromkeys([*old, *new])
    return {
        key: (old.get(key, "absent"), new.get(key, "absent"))
        for key in keys
        if old.get(key, "absent") != new.get(key, "absent")
    }
