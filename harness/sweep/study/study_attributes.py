"""The attributes that a sweep stores in its study, and the check of those in a journal file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

from annotated_types import Len
from optuna.storages import BaseStorage
from typing_extensions import TypedDict

from harness.runtime.stored_file import check_shape
from harness.sweep.study.sweep_cost import TIME

_WORKER = "harness:worker:"


class _Dimension(TypedDict):
    kind: str
    values: str | list[Any]
    when: list[str]


class _Space(TypedDict):
    fixed: list[str]
    dimensions: dict[str, _Dimension]


class _Budget(TypedDict):
    trials: int | None
    epochs: int | None
    sampled: bool


class _Earlier(TypedDict):
    sweep: str
    kind: Literal["observations", "prior"]
    reason: str
    keys: list[str]
    ignored: list[str]
    filled: dict[str, Any]
    trials: int
    tried: list[dict[str, Any]]
    points: list[dict[str, Any]]
    values: list[list[float]]


_Study = TypedDict(
    "_Study",
    {
        "harness:space": NotRequired[_Space],
        "harness:queued": NotRequired[bool | None],
        "harness:finished": NotRequired[bool | None],
        "harness:stop": NotRequired[str | None],
        "harness:seconds": NotRequired[float],
        "harness:distributions": NotRequired[dict[str, str]],
        "harness:added": NotRequired[int],
        "harness:budget": NotRequired[_Budget],
        "harness:earlier": NotRequired[list[_Earlier]],
    },
)


class _Cost(TypedDict):
    seconds: float
    gpu_seconds: float
    joules: float | None


class _OfTrial(TypedDict):
    cost: NotRequired[_Cost]
    score_error: NotRequired[float | None]
    epoch: NotRequired[Annotated[list[int], Len(2, 2)]]
    folder: NotRequired[str]
    error: NotRequired[str | None]


class _Owner(TypedDict):
    token: str | None
    name: str
    host: NotRequired[str]
    pid: NotRequired[int]
    born: NotRequired[int | None]
    presence: NotRequired[str]


class _Frozen(TypedDict):
    at: float


_OwnOfTrial = TypedDict(
    "_OwnOfTrial",
    {
        "harness:owner": NotRequired[_Owner | None],
        "harness:failures": NotRequired[int],
        "harness:deaths": NotRequired[int],
        "harness:frozen": NotRequired[_Frozen | None],
        "harness:promoted": NotRequired[int],
        "fixed_params": NotRequired[dict[str, Any]],
    },
)


class _Heartbeat(_Owner):
    state: str
    beat: float


def check_attributes(storage: BaseStorage, path: Path) -> None:
    """Checks the attributes of all studies and trials in a journal file.

    Args:
        path: of the journal.

    Raises:
        DamagedFile: an attribute has another type than a sweep stores.
    """
    for study in storage.get_all_studies():
        key = storage.get_study_id_from_name(study.study_name)
        attributes = storage.get_study_user_attrs(key)
        check_shape(attributes, _Study, path)
        for name, value in attributes.items():
            if name.startswith(_WORKER):
                check_shape(value, _Heartbeat, path, name)
            if name.startswith(TIME):
                check_shape(value, float, path, name)
        for trial in storage.get_all_trials(key, deepcopy=False):
            place = f"trial {trial.number}"
            check_shape(trial.user_attrs, _OfTrial, path, place)
            check_shape(trial.system_attrs, _OwnOfTrial, path, place)
