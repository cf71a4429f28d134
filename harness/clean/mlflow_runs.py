"""Checks in MLflow's registry whether runs can be removed, and deletes them in MLflow."""

from __future__ import annotations

from collections.abc import Iterable

from harness.core.errors import UserError
from harness.runs.tracking_state import State
from harness.runtime.redact import MASK
from harness.tracking import store_address


def is_registered(state: State | None, stores: dict[str, set[str]], uri: str | None) -> bool:
    """Whether one of the run's models is a version of a registered one.

    Args:
        stores: the registered runs of each store, filled at the first query of a store.
        uri: the whole address of a store whose password is not stored.

    Raises:
        UserError: the registry does not answer.
    """
    if state is None or not (state.runs or state.models):
        return False
    place = _whole(state.uri, uri)
    if place not in stores:
        stores[place] = _ask(place)
    return not stores[place].isdisjoint([*state.runs.values(), *state.models.values()])


def _whole(stored: str, given: str | None) -> str:
    """The address with its password."""
    if MASK not in stored:
        return stored
    if given is not None and store_address.masked(given) == stored:
        return given
    raise UserError(
        f"the registered models are listed at {stored}, and passwords are never stored",
        "give the whole address with --uri ADDRESS",
    )


def _ask(uri: str) -> set[str]:
    from harness.tracking.mlflow_removal import registered

    try:
        return registered(uri)
    except Exception as error:
        from harness.tracking.journal_upload import error_line

        reason = error_line(error, uri).rstrip(".")
        raise UserError(
            "no run is removed before MLflow has listed the registered models, and "
            f"{store_address.masked(uri)} "
            f"did not: {reason}",
            "start that server, or clean without runs and trials",
        ) from error


def delete_runs(states: Iterable[State | None], uri: str | None) -> int:
    """Deletes the MLflow runs that belong to these states; how many there were.

    Raises:
        Exception: whatever MLflow raises when the store cannot be reached.
    """
    from harness.tracking.mlflow_removal import delete

    return sum(delete(_whole(state.uri, uri), state.runs.values()) for state in states if state is not None)
