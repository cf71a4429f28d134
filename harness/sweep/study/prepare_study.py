"""The study as a sweep finds it, or makes it: directions, space, and the points that are queued."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import distribution_to_json

from harness.core.errors import UserError
from harness.sweep.space.search_space import Space
from harness.sweep.space.stored_space import earlier_defaults
from harness.sweep.space.swept_value import Point
from harness.sweep.study.earlier_trials import EARLIER, EarlierSweep, read_earlier
from harness.sweep.study.snapshot import Objective
from harness.sweep.study.study_lock import study_lock
from harness.sweep.study.study_storage import load_or_create, open_storage, studies
from harness.sweep.study.study_workers import STOP
from harness.sweep.study.sweep_location import FINISHED, SweepLocation, exists, sweep_state
from harness.sweep.study.trial_claim import EXEMPT

SPACE = "harness:space"
QUEUED = "harness:queued"
DISTRIBUTIONS = "harness:distributions"


def prepare_study(
    location: SweepLocation,
    space: Space,
    objectives: Sequence[Objective],
    queued: Iterable[Point],
    earlier: Sequence[EarlierSweep] = (),
    exempt: Point | None = None,
) -> optuna.Study:
    """Opens the sweep's study, or creates it, and queues the given points once.

    Args:
        queued: points to try first, in this order: every point of a grid, or those of `sweep.enqueue`.
        earlier: what a new sweep takes from earlier ones; one that goes on has it already.
        exempt: one of them, which no pruner stops.

    Raises:
        UserError: the storage cannot be used, or the study in it has another space or other objectives.
    """
    storage = open_storage(location.url, location.folder)
    study = load_or_create(storage, location.study, objectives)
    location.folder.mkdir(parents=True, exist_ok=True)  # not earlier: a refusal leaves no folder behind
    with study_lock(location.url, location.folder, location.study)():
        known = study.user_attrs
        if SPACE in known:
            require_same(space, location.study, known[SPACE])
        else:
            study.set_user_attr(SPACE, space.stored())
        if DISTRIBUTIONS not in known:
            texts = {key: distribution_to_json(drawn) for key, drawn in space.distributions().items()}
            study.set_user_attr(DISTRIBUTIONS, texts)
        if earlier and EARLIER not in known and not known.get(QUEUED):
            study.set_user_attr(EARLIER, [each.as_dict() for each in earlier])
        if not known.get(QUEUED):
            _queue(study, queued, exempt)
        for key in (STOP, FINISHED):
            if known.get(key) is not None:
                study.set_user_attr(key, None)
    return study


def stored_earlier(place: SweepLocation, space: Space) -> tuple[EarlierSweep, ...] | None:
    """What a sweep that exists took from earlier ones when it began; None: it is to begin.

    Raises:
        UserError: as `read_earlier`, or its storage cannot be used.
    """
    known = _attributes(place)
    begun = bool(known.get(QUEUED)) or EARLIER in known
    return read_earlier(known, space) if begun else None


def check_defaults(place: SweepLocation, choices: Mapping[str, str]) -> None:
    """Checks that an existing sweep began with the defaults of today.

    Args:
        choices: of the configuration that all trials share, by group.

    Raises:
        UserError: an earlier version began it with another default.
    """
    before = _attributes(place).get(SPACE)
    words = [] if before is None else earlier_defaults(before, choices)
    if words:
        raise UserError(
            f"a sweep continues with its own settings, and {place.study} began with {' '.join(words)}, the "
            "default of an earlier version of harness",
            f"add {' '.join(words)}, or begin another with sweep.name=NAME",
        )


def _attributes(place: SweepLocation) -> dict[str, Any]:
    """The attributes of the sweep's study; empty where it is to begin."""
    if not exists(place):
        return {}
    storage = open_storage(place.url, place.folder)
    if place.study not in studies(storage):  # a process was killed before it made it
        return {}
    known = storage.get_study_user_attrs(storage.get_study_id_from_name(place.study))
    storage.remove_session()
    return dict(known)


def check_stored(place: SweepLocation, space: Space, objectives: Sequence[Objective], lease: float) -> None:
    """Checks that an existing sweep can continue with this space.

    Raises:
        UserError: its space or its objectives differ.
    """
    if sweep_state(place, lease) != "begin":
        study = load_or_create(open_storage(place.url, place.folder), place.study, objectives)
        before = study.user_attrs.get(SPACE)
        if before is not None:
            require_same(space, place.study, before)


def require_same(space: Space, study: str, before: dict[str, object]) -> None:
    """Whether a study's sweep had this space.

    Raises:
        UserError: it had another; says what differs.
    """
    differing = space.differences(before)
    if differing:
        raise UserError(
            f"a sweep continues with its own space, and that of {study} differs: {'; '.join(differing)}",
            "take that back, or begin another with sweep.name=NAME",
        )


def _queue(study: optuna.Study, points: Iterable[Point], exempt: Point | None) -> None:
    """An earlier command may have been killed while it did so: its queued points exist already."""
    standing = [trial.system_attrs.get("fixed_params") for trial in study.get_trials(deepcopy=False)]
    for point in points:
        if point in standing:
            standing.remove(point)
        else:
            study.enqueue_trial(point, user_attrs={EXEMPT: True} if point == exempt else None)
    study.set_user_attr(QUEUED, True)
