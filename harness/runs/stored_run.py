"""A stored run, read from the files in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NotRequired, get_args

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from typing_extensions import TypedDict

from harness.core.error_text import printable
from harness.core.errors import UserError
from harness.core.scores import Direction, direction
from harness.runs.bundle_files import FACTS
from harness.runs.fold_rows import read_rows
from harness.runs.journal import Event, read
from harness.runs.run_history import RunHistory
from harness.runs.run_result import Result
from harness.runs.sweep_folders import SWEEPS
from harness.runs.tracking_state import State
from harness.runtime.config_nodes import load_plain
from harness.runtime.stored_file import check_shape, reading

EVALUATED = "evaluated.run"
"""The tag of an evaluation, which trains nothing: the run whose model it evaluates."""

REFIT, ENSEMBLE = "refit", "ensemble"
"""Folders, below a run of several folds, of the models made from all folds."""

_RESULT = "result.json"
_CONFIG = "config.yaml"
_PACKAGES = "packages.txt"


class _Data(TypedDict):
    extract: dict[str, Any]
    transform: dict[str, Any]


class _Trainer(TypedDict):
    monitor: NotRequired[str | None]


class _Evaluate(TypedDict):
    bins: NotRequired[int]


class _Config(TypedDict):
    tags: dict[str, Any]
    outputs: str
    data: _Data
    split: dict[str, Any]
    model: dict[str, Any]
    trainer: _Trainer
    evaluate: _Evaluate
    tracking: dict[str, Any]


@dataclass(frozen=True)
class StoredRun:
    """An earlier run; each file is read when it is first used.

    folder   of the run
    fold     the number of the fold that the user named; None: the run as a whole
    foreign  whether it was downloaded from a store, so that its configuration was made elsewhere
    """

    folder: Path
    fold: int | None = None
    foreign: bool = False

    @property
    def label(self) -> str:
        """The shortest name that finds it: its folder's name, or `<sweep>/<number>` for a trial."""
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
        """A summary of its journal: starts, ends, and whether it still runs."""
        return RunHistory(self.events)

    @property
    def begun(self) -> bool:
        """Whether its journal has a `start` of the run itself; a process may be killed before that."""
        return self.history.start is not None

    @property
    def start(self) -> Event:
        """The last `start` event of the run itself: name, parameters, tags, inputs.

        Raises:
            UserError: the run never started.
        """
        if self.history.start is None:
            raise UserError(f"the run in {self.folder} never started", "name another run")
        return self.history.start

    @property
    def name(self) -> str:
        """The name given by the user or by harness, printable; several runs may have the same."""
        return printable(str(self.start["name"]))

    @property
    def tags(self) -> dict[str, str]:
        """Tags such as `git.commit` and `data.digest`, printable."""
        return {printable(name): printable(text) for name, text in self.start["tags"].items()}

    @cached_property
    def plain_config(self) -> dict[str, Any]:
        """Its `config.yaml`, resolved except for `${oc.env:…}`, which is text, with secrets as `***`.

        Raises:
            UserError: the file is missing.
            DamagedFile: it is not a configuration.
        """
        path = self.config_file
        try:
            with reading(path, yaml.YAMLError, OmegaConfBaseException):
                _require_no_alias(path)
                plain: Any = load_plain(path)
        except FileNotFoundError:
            raise UserError(
                f"{path}, the configuration of the run, is missing", "name another run", key=str(path)
            ) from None
        check_shape(plain, _Config, path)
        return dict(plain)

    @cached_property
    def config(self) -> DictConfig:
        """`plain_config` as OmegaConf has it."""
        return OmegaConf.create(self.plain_config)

    @property
    def config_file(self) -> Path:
        """The path of its configuration."""
        return self.folder / _CONFIG

    def direction(self, score: str) -> Direction:
        """Whether a higher or lower score is better; the run's parameters say it for a user's own metric."""
        declared = {
            key.split(".")[2]: value
            for key, value in self.start["params"].items()
            if key.startswith("evaluate.metrics.") and key.count(".") == 3 and value in get_args(Direction)
        }
        return direction(score, declared)

    @cached_property
    def result(self) -> Result | None:
        """The content of `result.json`; None if the run has not ended, or was killed."""
        try:
            return Result.read(self.folder / _RESULT)
        except FileNotFoundError:
            return None

    @cached_property
    def packages(self) -> dict[str, str]:
        """Distribution -> version, as installed when the run ended; {} if it did not end."""
        try:
            lines = (self.folder / _PACKAGES).read_text(encoding="utf-8").splitlines()
        except OSError:
            return {}
        return dict(line.split("==", 1) for line in lines if "==" in line)

    @cached_property
    def state(self) -> State | None:
        """Where it is in MLflow; None if it was not tracked."""
        return State.load(self.folder)

    @property
    def mlflow_id(self) -> str | None:
        """MLflow's id of the run, or of the named fold."""
        known = {} if self.state is None else self.state.runs
        return known.get("" if self.fold is None else f"fold-{self.fold}")

    @cached_property
    def models(self) -> dict[int, Path]:
        """Fold number -> folder of its stored model; only the named fold, if there is one."""
        alone = self.folder / "model"
        models = {0: alone} if (alone / FACTS).exists() else {}
        for path in self.folder.glob(f"fold-*/model/{FACTS}"):
            number = path.parent.parent.name.removeprefix("fold-")
            if number.isdecimal():
                models[int(number)] = path.parent
        if self.fold is not None:
            models = {number: path for number, path in models.items() if number == self.fold}
        return dict(sorted(models.items()))

    @property
    def networks(self) -> int | None:
        """How many networks each fold has trained as an ensemble (`split.ensemble`); None: one."""
        stored = read_rows(self.folder)
        outer = None if stored is None else stored.outer
        return None if outer is None or not len(outer) else len(outer) // len(set(outer.tolist()))

    @property
    def model(self) -> Path:
        """The folder of the run's model: its refit on all rows, else its ensemble, else its only model.

        Raises:
            UserError: it has no model, or several but neither a refit nor an ensemble.
        """
        if self.fold is None:
            for name in (REFIT, ENSEMBLE):
                if (self.folder / name / FACTS).exists():
                    return self.folder / name
        if len(self.models) > 1 and self.networks is not None:
            raise UserError(
                f"{self.label} has {len(self.models)} networks (split.ensemble), and their ensemble was not "
                "stored, which of a sweep only a trial that was tested has",
                "combine them with --ensemble",
            )
        if len(self.models) > 1:
            raise UserError(
                f"{self.label} has {len(self.models)} models, one per fold",
                f"name one of them, such as {self.label}/fold-{next(iter(self.models))}, or combine them "
                f"with "
                "--ensemble",
            )
        if not self.models and self.result is not None and self.result.status == "finished":
            raise UserError(
                f"{self.label} has no weights: of a sweep, only the best trials keep theirs (sweep.keep)",
                f"train it again with: python -m harness rerun {self.folder}",
                key="sweep.keep",
            )
        if not self.models:
            raise UserError(
                f"{self.label} has no model, because only a finished run has one", "name a finished run"
            )
        return next(iter(self.models.values()))


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Returns what differs as key -> (old, new), with "absent" for a missing key; keys of `old` come
    first."""
    keys = dict.fromkeys([*old, *new])
    return {
        key: (old.get(key, "absent"), new.get(key, "absent"))
        for key in keys
        if old.get(key, "absent") != new.get(key, "absent")
    }


def _require_no_alias(path: Path) -> None:
    """Ten aliases that refer to ten each, twelve times over, would fill any memory; harness writes none.

    Raises:
        ValueError: the file has an alias.
    """
    text = path.read_text(encoding="utf-8")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    if "&" in text and any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, loader)):
        raise ValueError("it has an alias of YAML, which harness does not write")
