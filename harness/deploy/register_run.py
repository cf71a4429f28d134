"""Registers the model of a finished run if its scores pass the gate, and moves the alias."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.bundle import ensemble
from harness.core.errors import UnknownAlias, UserError
from harness.core.fold import PART_CODES
from harness.core.near_names import near
from harness.deploy import registration_gate
from harness.deploy.model_registry import MODEL, Registry, answering, check_alias, check_name
from harness.deploy.registration_gate import Condition, Verdict
from harness.runs.bundle_files import FACTS, read_facts
from harness.runs.fold_rows import read_rows
from harness.runs.run_result import Result
from harness.runs.stored_run import ENSEMBLE, REFIT, StoredRun
from harness.runs.tracking_state import State
from harness.tracking import store_address
from harness.tracking.mlflow_sender import Sender
from harness.tracking.mlflow_store import Store
from harness.tracking.sync_runs import sync
from harness.tracking.upload_task import lock

_SCORE, _ROWS = "score.", "rows."
"""Tags of a version: `score.test/accuracy`, and `rows.test`, a digest of the rows behind such scores."""

_PARTS = {part: PART_CODES[part] for part in ("valid", "test")}
"""The parts whose scores may be compared, with their codes in `folds.npz`."""


@dataclass(frozen=True)
class Wanted:
    """The name of the version, and the conditions that it must meet.

    name         of the registered model
    alias        to set; None: none
    conditions   that its scores must meet
    better_than  the alias of the version that it must beat; None: no comparison
    by           the score to compare; None: the monitored score on test rows
    together     whether to make an ensemble of the folds' models, if the run has none
    """

    name: str
    alias: str | None = None
    conditions: Sequence[Condition] = ()
    better_than: str | None = None
    by: str | None = None
    together: bool = False

    def __post_init__(self) -> None:
        check_name(self.name)
        for alias in filter(None, (self.alias, self.better_than)):
            check_alias(alias)


@dataclass(frozen=True)
class Candidate:
    """A run whose model may be registered, with its scores."""

    logged: StoredRun
    result: Result
    model: Path
    scores: Mapping[str, float]

    def rows(self, part: str) -> str | None:
        """A digest of the data and of the rows of that part; None if unknown."""
        stored = read_rows(self.logged.folder)
        if stored is None:
            return None
        numbers, inside = stored.rows_in(part)
        if self.logged.fold is not None:
            inside = inside[numbers == self.logged.fold]
        data = self.logged.tags.get("data.digest")
        if data is None:  # two unknown digests do not mean the same rows
            return None
        return hashlib.sha256(data.encode() + np.packbits(inside, axis=1).tobytes()).hexdigest()[:16]


def candidate(logged: StoredRun, together: bool) -> Candidate:
    """The run's model; with `together` its ensemble, which may not exist yet.

    Raises:
        UserError: the run is not finished, or has no single model.
    """
    result = logged.result
    if result is None or result.status != "finished":
        state = "not finished" if result is None else result.status
        raise UserError(
            f"{logged.label} is {state}, and only a finished run can be registered", "name another"
        )
    model = logged.folder / ENSEMBLE
    if not together:
        model = logged.model
    elif logged.fold is not None or len(logged.models) < 2:
        raise UserError(
            f"--ensemble puts the models of several folds together, and {logged.label} has one",
            "leave it out",
        )
    elif not _has_head(next(iter(logged.models.values()))):
        raise UserError(
            "--ensemble averages predictions, and these models learned representations, each with axes of "
            "its own",
            f"register the model of one fold, such as {logged.label}/fold-0",
        )
    return Candidate(logged, result, model, registration_gate.scores_of(result, _place(logged)))


def _place(logged: StoredRun) -> int | None:
    """The position of the named fold."""
    if logged.fold is None:
        return None
    return list(StoredRun(logged.folder).models).index(logged.fold)


def _has_head(model: Path) -> bool:
    return bool(read_facts(model)["head"])


def promote(candidate: Candidate, wanted: Wanted, uri: str, outputs: Path) -> Iterator[Verdict]:
    """Yields a verdict per step; after a failed verdict nothing more is done.

    Raises:
        UserError: a score is unknown, the other version cannot be compared, or the registry refused.
    """
    verdicts = [condition.judge(candidate.scores) for condition in wanted.conditions]
    if wanted.by is not None and wanted.better_than is not None:
        registration_gate.look_up(candidate.scores, wanted.by)
    registry = Registry(uri) if _exists(uri) else None
    if wanted.better_than is not None:
        verdicts.append(_duel(candidate, wanted, registry))
    folds = candidate.result.folds
    if verdicts and folds > 1 and candidate.logged.fold is None:
        kind = candidate.model.name if candidate.model.name in (ENSEMBLE, REFIT) else "model"
        yield Verdict(
            True, f"the scores are means over the models of {folds} folds; the {kind} has none of its own"
        )
    yield from verdicts
    if not all(verdict.passed for verdict in verdicts):
        return
    model_id = _logged_model(candidate, wanted, uri, outputs)
    yield from _publish(candidate, wanted, registry or Registry(uri), model_id)


def _exists(uri: str) -> bool:
    """Whether the store exists: opening a missing file would create it before the gate was checked."""
    path = store_address.file(uri)
    return path is None or path.exists()


def _duel(candidate: Candidate, wanted: Wanted, registry: Registry | None) -> Verdict:
    """Compares with the version that has the alias, by a score of both on the same rows."""
    score = registration_gate.counterpart(
        candidate.scores, (candidate.result.objective or {}).get("name"), wanted.by
    )
    part = score.partition("/")[0]
    if part not in _PARTS:
        raise UserError(f"--by must be a score of test or valid rows, got {score}", _near(candidate, score))
    version = None if registry is None else _rival(registry, wanted.name, str(wanted.better_than))
    if version is None:
        line = f"nothing is registered as {wanted.name} yet: there is no {wanted.better_than} to beat"
        return Verdict(True, line)
    rival = f"version {version.version} ({wanted.better_than})"
    state = candidate.logged.state
    if (
        state is not None
        and MODEL in version.tags
        and state.models.get(_key(candidate)) == version.tags[MODEL]
    ):
        return Verdict(True, f"{rival} is this very model")
    stored = version.tags.get(f"{_SCORE}{score}")
    if stored is None:
        raise UserError(
            f"{rival} of {wanted.name} has no {score}, by which to compare",
            "choose another score with --by, or register that model's own run anew",
        )
    ours, theirs = candidate.scores[score], float(stored)
    if candidate.rows(part) is None or candidate.rows(part) != version.tags.get(f"{_ROWS}{part}"):
        own, other = registration_gate.apart(ours, theirs)
        raise UserError(
            f"{rival} of {wanted.name} was scored on other {part} rows, so that its {score} of {other} "
            f"cannot be compared with {own}",
            "train both with the same data and split, or set a bound with --if",
        )
    return registration_gate.better(
        score, ours, theirs, candidate.logged.direction(score), f"{rival}, on the same {part} rows"
    )


def _rival(registry: Registry, name: str, alias: str) -> Any | None:
    """The version to beat; None if the name has no versions."""
    try:
        return registry.by_alias(name, alias)
    except UnknownAlias as error:
        hint = f" Give it to one first, by register with --alias {alias} and without --better-than."
        raise error.with_end(f"{error.remedy[-1]}{hint}") from error


def _near(candidate: Candidate, score: str) -> str:
    return near(score, [name for name in candidate.scores if name.partition("/")[0] in _PARTS])


def _key(candidate: Candidate) -> str:
    """The key of the model in `tracking.json`: the journal's key of its run, and its path."""
    path = candidate.model.relative_to(candidate.logged.folder).as_posix()
    state = candidate.logged.state
    run, _, rest = path.rpartition("/")
    known = {} if state is None else state.runs
    return f"{run if rest and run in known else ''}:{path}"


def _logged_model(candidate: Candidate, wanted: Wanted, uri: str, outputs: Path) -> str:
    """MLflow's id of the run's model, which is uploaded first if necessary."""
    folder = candidate.logged.folder
    if wanted.together and not (candidate.model / FACTS).exists():
        ensemble.write(candidate.model, list(candidate.logged.models.values()))
    state = _sent(candidate.logged, uri, outputs)
    registry = Registry(uri)
    with answering(uri), lock(folder).acquire(timeout=30):
        state = State.load(folder) or state
        key = _key(
            replace(candidate, logged=StoredRun(folder, candidate.logged.fold))
        )  # the state is read again
        if key in state.models and registry.ready(state.models[key]):
            return state.models[key]
        state.models.pop(key, None)
        run, _, path = key.partition(":")
        Sender(Store(uri, state.experiment, outputs.absolute()), state, folder).model(run, path)
        return state.models[key]


def _sent(logged: StoredRun, uri: str, outputs: Path) -> State:
    """The upload state of the run after it was sent completely."""
    state = State.load(logged.folder)
    if state is None or state.uri != store_address.masked(uri) or not state.sent(logged.folder):
        sync(logged.folder, outputs, uri=uri)
        state = State.load(logged.folder)
    if state is None or not state.sent(logged.folder):
        raise UserError(
            f"{logged.label} has not arrived in MLflow, because another process is sending it",
            f"try again, or see what `python -m harness sync {logged.label}` says",
        )
    return state


def _publish(candidate: Candidate, wanted: Wanted, registry: Registry, model_id: str) -> Iterator[Verdict]:
    version = registry.find(wanted.name, model_id)
    word = "is already"
    if version is None:
        version, word = registry.add(wanted.name, model_id, _tags(candidate)), "is"
    yield Verdict(True, f"{candidate.logged.label} {word} version {version.version} of {wanted.name}")
    place = f"models:/{wanted.name}/{version.version}"
    if wanted.alias is not None:
        before = registry.move(wanted.name, wanted.alias, version)
        moved = "" if before in (None, str(version.version)) else f", which version {before} had"
        yield Verdict(True, f"it has the alias {wanted.alias}{moved}")
        place = f"models:/{wanted.name}@{wanted.alias}"
    yield Verdict(True, place)


def _tags(candidate: Candidate) -> dict[str, str]:
    """The tags of a version: its run, its scores, and a digest of the rows."""
    ours = candidate.logged.tags
    tags: dict[str, Any] = {
        "harness.run": candidate.logged.label,
        "harness.model": candidate.model.relative_to(candidate.logged.folder).as_posix(),
        **{key: ours.get(key) for key in ("data.digest", "git.commit", "git.dirty")},
        **{f"{_ROWS}{part}": candidate.rows(part) for part in ("test", "valid")},
        **{
            f"{_SCORE}{name}": repr(value) for name, value in candidate.scores.items() if math.isfinite(value)
        },
    }
    return {key: str(value) for key, value in tags.items() if value is not None}
