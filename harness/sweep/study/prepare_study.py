"""The study as a sweep finds it, or makes it: directions, space, and the points that are queued."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import optuna

from harness.core.errors import UserError
from harness.sweep.space.search_space import Space
from harness.sweep.space.swept_value import Point
from harness.sweep.study.snapshot import Objective
from harness.sweep.study.study_lock import study_lock
from harness.sweep.study.study_storage import load_or_create, open_storage
from harness.sweep.study.trial_queue import STOP
from harness.sweep.sweep_location import FINISHED, Place, standing
from harness.sweep.worker.worker_spec import Spec

SPACE = "harness:space"
QUEUED = "harness:queued"


def prepare_study(spec: Spec) -> optuna.Study:
    """Opens the sweep's study, and queues what is to be tried in order: all of a grid, `sweep.enqueue` first.

    Raises:
        UserError: the storage cannot be used, or the study in it has another space or other objectives.
    """
    storage = open_storage(spec.place.url, spec.root)
    study = load_or_create(storage, spec.place.study, spec.objectives)
    spec.root.mkdir(parents=True, exist_ok=True)  # not before: a refusal leaves nothing behind
    with study_lock(spec.place.url, spec.root, spec.place.study)():
        known = study.user_attrs
        if SPACE in known:
            require_same(spec.space, spec.place.study, known[SPACE])
        else:
            study.set_user_attr(SPACE, spec.space.stored())
        if not known.get(QUEUED):
            _queue(study, _points(spec))
        for key in (STOP, FINISHED):
            if known.get(key) is not None:
                study.set_user_attr(key, None)
    return study


def check_stored(place: Place, space: Space, objectives: Sequence[Objective], lease: float) -> None:
    """Whether a sweep that stands there could go on with this space.

    Raises:
        UserError: its space or its objectives differ.
    """
    if standing(place, lease) != "begin":
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
            f"a sweep goes on with its own space, and that of {study} differs: {'; '.join(differing)}; "
            "take that back, or begin another with sweep.name=NAME."
        )


def _points(spec: Spec) -> Iterable[Point]:
    if spec.sampler is None:
        return spec.space.grid()
    return (spec.space.complete(dict(point), "sweep.enqueue") for point in spec.settings.enqueue)


def _queue(study: optuna.Study, points: Iterable[Point]) -> None:
    """An earlier command may have been killed while it did so: what it queued stands already."""
    standing = [trial.system_attrs.get("fixed_params") for trial in study.get_trials(deepcopy=False)]
    for point in points:
        if point in standing:
            standing.remove(point)
        else:
            study.enqueue_trial(point)
    study.set_user_attr(QUEUED, True)
