"""A space: its grid, its suggestions and its words."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FixedTrial

from harness.core.errors import UserError
from harness.sweep.space.search_space import Space

Build = Callable[..., Space]

LR = "trainer.optimizer.lr"


def conditional(space: Build) -> Space:
    return space(
        "model=mlp,convnet",
        **{
            "model.widths": {"values": [[64], [64, 64]], "when": "model=mlp"},
            "model.dropout": {"values": "0.0,0.5", "when": "model.widths=[64,64]"},
        },
    )


def grid(space: Build, *words: str) -> list[list[str]]:
    found = space(*words)
    return [found.words(point) for point in found.grid()]


def test_the_grid_is_every_combination_with_the_last_key_varying_fastest(space: Build) -> None:
    assert grid(space, "a=1,2", "b=x", "c=[3],[4]") == [
        ["a=1", "c=[3]"],
        ["a=1", "c=[4]"],
        ["a=2", "c=[3]"],
        ["a=2", "c=[4]"],
    ]


def test_the_grid_of_no_dimension_is_one_point_of_the_fixed_overrides(space: Build) -> None:
    words = ("~a", "+b=${oc.env:X}", "c='x, y'", "d={e: 1}", "++f=null", "g=", "seed=1", "seed=2")
    found = space(*words)
    assert found.fixed == words
    assert (found.size, list(found.grid())) == (1, [{}])


def test_ranges_quoted_values_and_globs_are_listed(space: Build) -> None:
    assert grid(space, "seed=range(1,4)") == [["seed=1"], ["seed=2"], ["seed=3"]]
    assert grid(space, "seed=range(5,0,-2)") == [["seed=5"], ["seed=3"], ["seed=1"]]
    assert grid(space, "x=range(0,0.5,0.1)") == [["x=0.0"], ["x=0.1"], ["x=0.2"], ["x=0.3"], ["x=0.4"]]
    assert grid(space, "name='a,b','c'") == [["name='a,b'"], ["name=c"]]
    assert grid(space, "model=glob(resnet*)") == [["model=resnet18"], ["model=resnet50"]]
    assert grid(space, "x=sort(3,1,2,reverse=true)") == [["x=3"], ["x=2"], ["x=1"]]


def test_a_shuffled_list_has_the_same_random_order_in_every_process(space: Build) -> None:
    once = grid(space, "seed=shuffle(range(0,20))")
    assert once == grid(space, "seed=shuffle(range(0,20))")
    assert once != sorted(once)
    assert sorted(once) == sorted(grid(space, "seed=range(0,20)"))
    chosen = ",".join(map(str, range(20)))
    assert (
        grid(space, f"seed=shuffle({chosen})")
        == grid(space, f"seed=shuffle({chosen})")
        != grid(space, f"seed={chosen}")
    )


def test_keys_keep_their_plus_and_their_package(space: Build) -> None:
    assert grid(space, "+tags.idea=a,b") == [["+tags.idea=a"], ["+tags.idea=b"]]
    assert grid(space, "++seed=1,2") == [["++seed=1"], ["++seed=2"]]
    assert grid(space, "model@teacher=mlp,vit") == [["model@teacher=mlp"], ["model@teacher=vit"]]
    assert next(space("+tags.idea=a,b").grid()) == {"tags.idea": "a"}


def test_an_interval_has_no_grid(space: Build) -> None:
    for values, shown in {
        "interval(0.1,1)": r"0\.1 to 1\.0",
        "tag(log,interval(1e-4,1e-1))": r"0\.0001 to 0\.1 \(log\)",
        "int(interval(1,5))": r"1 to 5 \(whole numbers\)",
        "tag(log,int(interval(1,5)))": r"1 to 5 \(whole numbers, log\)",
    }.items():
        found = space("model=mlp,convnet", f"lr={values}")
        assert found.size is None
        with pytest.raises(
            UserError,
            match=rf"^a grid needs listed values, and lr got the interval {shown}; list them: lr=A,B,C, "
            r"or let a sampler choose: sweep=tpe sweep\.trials=N\.$",
        ):
            next(found.grid())


def test_a_point_lacks_the_dimensions_whose_condition_does_not_hold_and_no_point_comes_twice(
    space: Build,
) -> None:
    found = conditional(space)
    points = list(found.grid())
    assert points == [
        {"model": "mlp", "model.widths": "[64]"},
        {"model": "mlp", "model.widths": "[64,64]", "model.dropout": 0.0},
        {"model": "mlp", "model.widths": "[64,64]", "model.dropout": 0.5},
        {"model": "convnet"},
    ]
    assert found.size == len(points)
    assert [found.words(point) for point in points[1::2]] == [
        ["model=mlp", "model.widths=[64,64]", "model.dropout=0.0"],
        ["model=convnet"],
    ]


def test_the_size_of_a_space_is_the_length_of_its_grid_though_only_conditions_are_walked_through(
    space: Build,
) -> None:
    words = ("seed=range(0,7)", "model=mlp,convnet,vit", "trainer.epochs=1,2")
    when = {"values": "1,2,3", "when": ["model=mlp,vit", "trainer.epochs=2"]}
    found = space(*words, **{"model.depth": when})
    assert found.size == len(list(found.grid())) == 7 * (2 * (1 + 3) + 2)
    huge = space(
        "seed=range(0,1000000000)", "model=mlp,convnet", **{"model.depth": {**when, "when": "model=mlp"}}
    )
    assert huge.size == 4 * 10**9


def test_a_dimension_may_stand_before_the_one_its_condition_looks_at(space: Build) -> None:
    found = space("model=mlp,convnet", "trainer.epochs=1,2", **{"trainer.epochs": {"when": "model=mlp"}})
    reversed_ = Space((), tuple(reversed(found.dimensions)))
    assert list(reversed_.grid()) == [
        {"trainer.epochs": 1, "model": "mlp"},
        {"model": "convnet"},
        {"trainer.epochs": 2, "model": "mlp"},
    ]
    assert reversed_.suggest(FixedTrial({"model": "convnet"})) == {"model": "convnet"}


def test_distributions_are_optunas_own(space: Build) -> None:
    found = space(
        "model=mlp,null,3,true",
        f"{LR}=tag(log,interval(1e-4,1e-1))",
        "a=interval(0,1)",
        "b=int(interval(1,5))",
        "c=tag(log,int(interval(1,64)))",
        "d=range(1,10,3)",
        "e=range(1,0,-0.25)",
    )
    assert found.distributions() == {
        "model": CategoricalDistribution(("mlp", None, 3, True)),
        LR: FloatDistribution(1e-4, 1e-1, log=True),
        "a": FloatDistribution(0.0, 1.0),
        "b": IntDistribution(1, 5),
        "c": IntDistribution(1, 64, log=True),
        "d": IntDistribution(1, 7, step=3),
        "e": FloatDistribution(0.25, 1.0, step=0.25),
    }


def test_a_suggestion_has_a_value_for_every_active_dimension(space: Build) -> None:
    trial = FixedTrial({"model": "mlp", "model.widths": "[64,64]", "model.dropout": 0.5})
    point = conditional(space).suggest(trial)
    assert point == trial.params == {"model": "mlp", "model.widths": "[64,64]", "model.dropout": 0.5}
    assert trial.distributions == conditional(space).distributions()
    assert conditional(space).suggest(FixedTrial({"model": "convnet"})) == {"model": "convnet"}


def test_every_point_of_a_grid_can_be_enqueued_and_is_read_back_unchanged(space: Build) -> None:
    words = ("x=range(0,1,0.1)", "n=range(9,0,-4)", "c=3,null,true,'a b',[1],0.5")
    found = space("model=mlp,convnet", *words)
    points = list(found.grid())
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler())
    for point in points:
        study.enqueue_trial(point)
    assert [found.suggest(study.ask()) for _ in points] == points
    assert all(trial.params == point for trial, point in zip(study.trials, points, strict=True))


def test_a_suggested_step_is_written_as_the_number_that_a_grid_lists(space: Build) -> None:
    found = space("x=range(0,1,0.1)")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    listed = [point["x"] for point in found.grid()]
    points = [found.suggest(study.ask()) for _ in range(60)]
    assert {point["x"] for point in points} == set(listed)
    assert found.words({"x": 0.30000000000000004}) == ["x=0.3"]


@settings(max_examples=60, deadline=None)
@given(st.integers(-50, 50), st.integers(1, 40), st.sampled_from([0.1, 0.25, 0.3, 1e-3, 0.7, -0.1, -0.3]))
def test_the_steps_of_any_range_are_steps_to_optuna_too(
    space: Build, start: int, count: int, step: float
) -> None:
    begin, end = start / 10, start / 10 + (count - 0.5) * step
    found = space(f"x=range({begin},{end},{step})")
    listed = [point["x"] for point in found.grid()]
    assert len(listed) == found.size == count
    assert listed == pytest.approx([begin + place * step for place in range(count)])
    study = optuna.create_study()
    for value in listed:
        study.enqueue_trial({"x": value})
    assert [found.suggest(study.ask())["x"] for _ in listed] == listed


@pytest.mark.filterwarnings("ignore:Argument ``(group|multivariate)``:optuna.exceptions.ExperimentalWarning")
def test_tpe_with_groups_walks_through_a_conditional_space_and_finds_its_better_half(space: Build) -> None:
    found = space(
        "model=mlp,convnet",
        **{
            LR: "tag(log,interval(1e-4,1e-1))",
            "model.depth": {"values": "int(interval(1,6))", "when": "model=mlp"},
            "model.channels": {"values": "range(8,40,8)", "when": "model=convnet"},
        },
    )

    def objective(trial: optuna.Trial) -> float:
        point = found.suggest(trial)
        assert ("model.depth" in point) == (point["model"] == "mlp") == ("model.channels" not in point)
        return float(point.get("model.depth") or 10)

    sampler = optuna.samplers.TPESampler(seed=0, group=True, multivariate=True, n_startup_trials=8)
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=30)
    assert study.best_params["model"] == "mlp"
    assert study.best_value <= 2
    chosen = [trial.params["model"] for trial in study.trials[8:]]
    assert chosen.count("mlp") > chosen.count("convnet")


def test_a_space_is_a_plain_value_that_another_process_may_be_given(space: Build) -> None:
    assert pickle.loads(pickle.dumps(conditional(space))) == conditional(space)


def test_the_words_of_a_foreign_key_are_refused(space: Build) -> None:
    with pytest.raises(KeyError, match="seed"):
        conditional(space).words({"seed": 1})


def test_a_point_of_the_user_becomes_what_a_study_stores(space: Build) -> None:
    found = space(
        "model=mlp,convnet", "x=range(0,1,0.1)", "n=int(interval(1,5))", f"{LR}=interval(0,1)", "c=1,2.5"
    )
    widths = conditional(space)
    given = {"+n": 3.0, "x": 0.7, LR: 1, "model": "mlp", "c": 1.0}
    point = found.complete(given, "sweep.enqueue.0")
    assert point == {"model": "mlp", "x": 0.7, "n": 3, LR: 1.0, "c": 1}
    assert list(map(type, point.values())) == [str, float, int, float, int]
    assert found.complete({"x": 0.1}, "sweep.enqueue.0") == {"x": 0.1}
    for written in ([64, 64], "[64,64]"):
        assert widths.complete({"model": "mlp", "model.widths": written}, "here")["model.widths"] == "[64,64]"


@pytest.mark.parametrize(
    ("point", "sentence"),
    [
        ({"modell": "mlp"}, r"^here names modell, which is not swept; did you mean model\?$"),
        ({"model": "mpl"}, r"^here\.model has no choice mpl; did you mean mlp\?$"),
        ({"model": 1}, r"^here\.model has no choice 1; there are convnet and mlp\.$"),
        ({"model": {1, 2}}, r"^here\.model: a value is null, true or false, a number, .+, got \{1, 2\}\.$"),
        ({"x": 0.15}, r"^here\.x must be one of 0\.0 to 0\.9 in steps of 0\.1, got 0\.15\.$"),
        ({"x": 1.0}, r"^here\.x must be one of 0\.0 to 0\.9 in steps of 0\.1, got 1\.0\.$"),
        ({"x": float("nan")}, r"^here\.x must be one of .+, got nan\.$"),
        ({"n": 6}, r"^here\.n must be a number from 1 to 5 \(whole numbers\), got 6\.$"),
        ({"n": 2.5}, r"^here\.n must be a number from 1 to 5 \(whole numbers\), got 2\.5\.$"),
        ({"n": True}, r"^here\.n must be a number from 1 to 5 \(whole numbers\), got True\.$"),
        ({"n": "2"}, r"^here\.n must be a number from 1 to 5 \(whole numbers\), got '2'\.$"),
        (
            {"model.widths": [8]},
            r"^here names model\.widths, which is there when model=mlp only; add that to the point, or leave "
            r"model\.widths out\.$",
        ),
    ],
)
def test_a_point_outside_the_space_is_refused(space: Build, point: dict[str, Any], sentence: str) -> None:
    found = space(
        "model=mlp,convnet",
        "x=range(0,1,0.1)",
        "n=int(interval(1,5))",
        **{"model.widths": {"values": [[8]], "when": "model=mlp"}},
    )
    with pytest.raises(UserError, match=sentence):
        found.complete(point, "here")
