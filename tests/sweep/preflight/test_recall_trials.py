"""harness/sweep/preflight/recall_trials.py and find_earlier_sweeps.py"""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from omegaconf import OmegaConf

from harness.core.errors import UserError
from harness.runs.journal import Journal
from harness.sweep.preflight.find_earlier_sweeps import FoundSweep, find_earlier_sweeps
from harness.sweep.preflight.recall_trials import recall_trials
from harness.sweep.space.condition import Condition
from harness.sweep.space.interval import Interval
from harness.sweep.space.listed_values import Choices
from harness.sweep.space.search_space import Space
from harness.sweep.study.prepare_study import prepare_study
from harness.sweep.study.snapshot import Objective, Row, Snapshot
from harness.sweep.study.sweep_location import SweepLocation

UP = (Objective("valid/accuracy", "maximize"),)
LR = Interval(key="lr", low=0.001, high=0.1, log=True)
SPACE = Space(
    (),
    (
        LR,
        Choices(key="m", choices=("a", "b")),
        Interval(key="p", low=0.0, high=0.5, when=(Condition("m", ("a",)),)),
    ),
)
DEFAULT = {"lr": 0.01, "m": "b"}
CONFIG = {"model": {"width": 8}, "seed": 0, "name": "x"}


def refused(words: str) -> Any:
    return pytest.raises(UserError, match=re.escape(words))


def sweep(folder: Path, points: list[dict[str, Any]], *, config: Any = None, data: str = "d") -> FoundSweep:
    """A sweep whose trials have rising scores; the best one has a journal with this configuration."""
    rows = [Row(n, "complete", point, (n / 10,), folder=str(n)) for n, point in enumerate(points)]
    rows.append(Row(len(rows), "failed", points[0], folder=str(len(rows))))
    if config is not None:
        home = folder / str(len(points) - 1)
        home.mkdir(parents=True)
        journal = Journal(home)
        journal.claim()
        params = {f"{part}.{key}": value for part in ("model",) for key, value in config[part].items()}
        journal.start("", "x", params={**params, "seed": 7}, tags={"data.digest": data})
        journal.close()
    return FoundSweep(folder.name, folder, Snapshot(UP, tuple(rows)))


def plan(point: dict[str, Any]) -> Any:
    """Of a run here; the points' own values are not part of this configuration."""
    del point
    return SimpleNamespace(table=SimpleNamespace(digest="d"), cfg=OmegaConf.create(CONFIG))


def recalled(
    found: list[FoundSweep], trials: int | None = 30, withheld: str = "", space: Space = SPACE
) -> Any:
    return recall_trials(found, space, DEFAULT, plan, trials, withheld)


def test_trials_of_the_same_training_are_observations(tmp_path: Path) -> None:
    points = [{"lr": 0.002, "m": "b"}, {"lr": 0.05, "m": "a", "p": 0.2}]
    (same,) = recalled([sweep(tmp_path / "s-0", points, config=CONFIG)])
    assert (same.kind, same.reason, same.trials) == ("observations", "", 3)
    assert same.tried == ({"lr": 0.05, "m": "a", "p": 0.2},)
    assert sorted(zip(same.values, same.points, strict=True), key=str) == [
        ((0.0,), points[0]),
        ((0.1,), points[1]),
    ]


@pytest.mark.parametrize(
    ("config", "data", "reason"),
    [
        ({"model": {"width": 9}}, "d", "other settings: model.width"),
        (CONFIG, "e", "other data"),
        (None, "d", "the settings of its trials are not known"),
    ],
)
def test_others_are_a_prior_and_it_says_why(tmp_path: Path, config: Any, data: str, reason: str) -> None:
    points = [{"lr": 0.002, "m": "b"}, {"lr": 0.05, "m": "b"}]
    (related,) = recalled([sweep(tmp_path / "s-0", points, config=config, data=data)])
    assert (related.kind, related.reason, len(related.points)) == ("prior", reason, 2)


def test_of_another_space_the_keys_that_match_are_taken(tmp_path: Path) -> None:
    points = [{"lr": 0.9}, {"lr": 0.02, "z": 3}, {"lr": 0.01, "m": "c"}, {"lr": 0.03, "m": "a", "p": 0.9}]
    (other,) = recalled([sweep(tmp_path / "s-0", points)])
    assert (other.keys, other.ignored) == (("lr", "m", "p"), ("z",))
    assert other.points == ({"lr": 0.02, "m": "b"},)  # m as without the sweep; 0.9, c and p=0.9 are outside
    assert other.tried == ({"lr": 0.03, "m": "a"}, {"lr": 0.01})  # 0.02 is close to them
    assert other.reason == "it also swept z"
    (part,) = recalled([sweep(tmp_path / "t-0", [{"lr": 0.02}])])
    assert part.filled == {"m": "b"}
    assert "; keys: lr; m is taken as b; the settings of its trials are not known" in part.sentence


def test_nothing_in_common_is_refused(tmp_path: Path) -> None:
    other = Space((), (Choices(key="x", choices=(1, 2)),))
    with refused("sweep.from: the sweep s-0 swept lr, and this one none of these"):
        recalled([sweep(tmp_path / "s-0", [{"lr": 1}])], space=other)


def test_the_points_that_are_queued_leave_room_for_new_ones(tmp_path: Path) -> None:
    points = [{"lr": 0.001 * 2**n, "m": "b"} for n in range(6)]
    sweeps = [sweep(tmp_path / "s-0", points), sweep(tmp_path / "t-0", points, config=CONFIG)]
    first, second = recalled(sweeps)
    assert (first.sweep, len(first.tried), len(second.tried)) == (
        "t-0",
        1,
        1,
    )  # the best of both is one point
    first, second = recalled(sweeps, trials=9)
    assert (len(first.tried), len(second.tried)) == (1, 0)
    (withheld,) = recalled(sweeps[:1], withheld="it is random")
    assert (withheld.points, withheld.values) == ((), ())
    assert withheld.reason.endswith("it is random")
    assert len(withheld.tried) == 2


def stored(
    outputs: Path,
    name: str,
    objectives: tuple[Objective, ...] = UP,
    value: float | None = 0.5,
    url: str | None = None,
) -> Path:
    folder = outputs / "sweeps" / name
    folder.mkdir(parents=True, exist_ok=True)
    study = prepare_study(SweepLocation(folder, name, url), SPACE, objectives, [])
    if value is not None:
        study.add_trial(
            optuna.create_trial(value=value, params={"lr": 0.01}, distributions={"lr": LR.distribution()})
        )
    (folder / "result.json").write_text(json.dumps({"status": "finished"}))


def test_sweeps_are_found_by_name_and_by_age(tmp_path: Path) -> None:
    def names(wanted: str | list[str]) -> list[str]:
        return [found.name for found in find_earlier_sweeps(wanted, tmp_path, None, UP)]

    assert names("auto") == []
    with refused(
        "sweep.from=last takes the newest sweep that is to maximize valid/accuracy, and there is none"
    ):
        names("last")
    stored(tmp_path, "lr-0")
    stored(tmp_path, "lr-1")
    stored(tmp_path, "loss-0", (Objective("valid/loss", "minimize"),))
    stored(tmp_path, "none-0", value=None)
    assert names("auto") == ["lr-1", "lr-0"]
    assert names("last") == ["lr-1"]
    assert names(["lr-0", str(tmp_path / "sweeps" / "lr-1")]) == ["lr-0", "lr-1"]
    with refused("sweep.from: the sweep loss-0 was to minimize valid/loss, and this one is to maximize"):
        names("loss-0")
    with refused("sweep.from: no trial of the sweep none-0 is complete"):
        names("none")
    with refused("is no sweep below"):
        names("nothing")
    (tmp_path / "sweeps" / "lr-1" / "study.journal").unlink()
    with refused("holds no study.journal"):
        names("lr-1")
    assert names("last") == ["lr-0"]


def test_the_newest_sweep_may_be_in_the_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    stored(tmp_path, "lr-0")
    stored(tmp_path, "lr-1", url=url)
    assert [found.name for found in find_earlier_sweeps("last", tmp_path, url, UP)] == ["lr-1"]
    assert [found.name for found in find_earlier_sweeps("auto", tmp_path, url, UP)] == ["lr-1", "lr-0"]
    assert [found.name for found in find_earlier_sweeps("auto", tmp_path, None, UP)] == ["lr-0"]
