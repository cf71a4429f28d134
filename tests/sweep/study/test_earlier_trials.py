"""harness/sweep/study/earlier_trials.py and points_as_numbers.py"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import CmaEsSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from harness.core.errors import UserError
from harness.sweep.space.interval import Interval
from harness.sweep.space.listed_values import Choices
from harness.sweep.space.search_space import Space
from harness.sweep.study.earlier_trials import (
    EARLIER,
    EarlierSweep,
    EarlierTrials,
    best_points,
    learns_from_values,
    read_earlier,
)
from harness.sweep.study.optuna_internals import seen_by_samplers
from harness.sweep.study.points_as_numbers import points_as_numbers
from harness.sweep.study.prepare_study import prepare_study, stored_earlier
from harness.sweep.study.snapshot import Objective
from harness.sweep.study.sweep_location import SweepLocation

SPACE = Space((), (Interval(key="lr", low=0.001, high=0.1, log=True), Choices(key="m", choices=("a", "b"))))
DRAWN = SPACE.distributions()
UP = (Objective("valid/accuracy", "maximize"),)
POINTS = tuple({"lr": 0.001 * 100 ** (place / 9), "m": "ab"[place % 2]} for place in range(10))
SAME = EarlierSweep(
    "s-0",
    "observations",
    "",
    ("lr", "m"),
    (),
    {},
    10,
    POINTS[:1],
    POINTS,
    tuple((float(p),) for p in range(10)),
)
RELATED = replace(SAME, kind="prior", reason="other data")


def trial(
    number: int, lr: float, value: float | None, state: TrialState = TrialState.COMPLETE
) -> FrozenTrial:
    values = None if value is None else [value]
    made = create_trial(state=state, values=values, params={"lr": lr, "m": "a"}, distributions=DRAWN)
    made.number = number
    return made


def test_points_are_numbers_on_the_scale_of_their_distribution() -> None:
    drawn = {
        "lr": FloatDistribution(0.001, 0.1, log=True),
        "n": IntDistribution(0, 4),
        "c": CategoricalDistribution([True, 1, "x"]),
    }
    numbers = points_as_numbers([{"lr": 0.01, "n": 1, "c": 1}, {"lr": 0.1, "c": True}, {"n": 4}], drawn)
    half = np.sqrt(0.5)
    assert np.allclose(numbers, [[0.5, 0.25, 0, half, 0], [1, 0.5, half, 0, 0], [0.5, 1, 0, 0, 0]])


def test_a_stored_sweep_is_read_back_and_its_points_are_checked() -> None:
    stored = json.loads(json.dumps([SAME.as_dict(), RELATED.as_dict()]))
    assert read_earlier({EARLIER: stored}, SPACE) == (SAME, RELATED)
    assert read_earlier({}, SPACE) == ()
    stored[0]["points"][0]["lr"] = 5
    with pytest.raises(UserError):
        read_earlier({EARLIER: stored}, SPACE)
    assert SAME.summary["observations"] == 10
    assert "points" not in SAME.summary
    assert SAME.sentence == "from s-0: 10 trials as observations; the best point is tried first; keys: lr, m"
    filled = replace(RELATED, filled={"m": "a"}, tried=()).sentence
    assert filled == "from s-0: 10 trials as a weak prior; keys: lr, m; m is taken as a; other data"


def test_observations_are_complete_trials_before_the_own_ones_and_the_study_has_none_of_them() -> None:
    study = optuna.create_study(direction="maximize")
    earlier = EarlierTrials([SAME], DRAWN, UP)
    asked = study.ask()
    view = seen_by_samplers(study, lambda trial: False, earlier.seen)
    numbers = [(each.number, each.state.name) for each in view.trials]
    assert numbers == [*((-n, "COMPLETE") for n in range(10, 0, -1)), (0, "RUNNING")]
    assert [each.values for each in view.trials[:2]] == [[0.0], [1.0]]
    assert len(study.trials) == 1
    assert earlier.drawn == 10
    study.sampler = TPESampler(seed=0, n_startup_trials=1)
    assert SPACE.suggest(Trial(view, asked._trial_id))["lr"] > 0.02  # where the earlier trials were good


def test_related_trials_become_fewer_and_have_the_values_of_own_trials_of_their_rank() -> None:
    earlier = EarlierTrials([RELATED], DRAWN, UP)
    running = trial(0, 0.01, None, TrialState.RUNNING)
    assert len(earlier.seen([running])) == 10
    assert earlier.seen([]) == []  # every second draw is as without
    assert earlier.drawn == 0
    own = [trial(number, 0.001 * 100 ** (number / 14), 0.5 + number / 100) for number in range(15)]
    seen = earlier.seen(own)
    assert len(seen) == 5
    assert [each.values[0] for each in seen] == pytest.approx([0.64, 0.605, 0.57, 0.535, 0.5], abs=0.02)
    assert seen[0].params["lr"] == POINTS[9]["lr"]
    assert earlier.seen([*own, *(trial(n, 0.01, 0.5) for n in range(15, 21))]) == []


def test_a_related_sweep_that_does_not_predict_the_order_is_left_out() -> None:
    earlier = EarlierTrials([RELATED], DRAWN, UP)
    rising = [trial(number, 0.001 * 4**number, number / 10) for number in range(3)]
    falling = [trial(number, 0.001 * 4**number, -number / 10) for number in range(3)]
    assert earlier.seen(falling)  # too few to judge
    assert earlier.seen([*rising, trial(3, 0.07, 0.9), trial(4, 0.09, 0.95)])
    assert not earlier.seen([*falling, trial(3, 0.07, -0.9), trial(4, 0.09, -0.95)])


def test_the_best_points_are_some_way_apart() -> None:
    points = [{"lr": 0.01, "m": "a"}, {"lr": 0.011, "m": "a"}, {"lr": 0.011, "m": "b"}, {"lr": 0.1, "m": "a"}]
    assert best_points(points, [0, 1, 2, 3], 3, DRAWN) == (points[0], points[2], points[3])
    assert best_points(points, [3, 2, 1, 0], 1, DRAWN) == (points[3],)


def test_only_samplers_that_learn_from_values_are_told() -> None:
    learning = [learns_from_values(kind()) for kind in (TPESampler, GPSampler)]
    assert learning == [True, True]
    assert not any(learns_from_values(kind()) for kind in (RandomSampler, NSGAIISampler, CmaEsSampler))


def test_a_study_keeps_what_its_sweep_took_when_it_began(tmp_path: Path) -> None:
    place = SweepLocation(tmp_path, tmp_path.name, None)
    assert stored_earlier(place, SPACE) is None
    (tmp_path / "study.journal").touch()  # a process was killed before it made the study
    assert stored_earlier(place, SPACE) is None
    prepare_study(place, SPACE, UP, [], [SAME])
    assert stored_earlier(place, SPACE) == (SAME,)
    study = prepare_study(place, SPACE, UP, POINTS[1:2], [RELATED])
    assert stored_earlier(place, SPACE) == (SAME,)
    assert study.trials == []


def test_a_sweep_that_began_without_takes_none_later(tmp_path: Path) -> None:
    place = SweepLocation(tmp_path, tmp_path.name, None)
    prepare_study(place, SPACE, UP, [])
    prepare_study(place, SPACE, UP, [], [SAME])
    assert stored_earlier(place, SPACE) == ()
