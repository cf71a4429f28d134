"""What every split must keep, for each yaml of conf/split and the settings that change its promises."""

import inspect

import pytest
from hydra.utils import get_class

from harness import testing
from harness.config.choice_files import CONF
from harness.config.instantiate import build
from harness.core.errors import UserError
from harness.testing.split_suite import composed, make_table, node_of, same

YAMLS = sorted((CONF / "split").glob("*.yaml"))


class TestSplits(testing.TestSplits):
    conf = CONF
    more = {  # noqa: RUF012
        "predefined": ["split=predefined", "split.column=number"],
        "predefined words": ["split=predefined", "split.column=part"],
        "predefined grouped": ["split=predefined", "split.column=site", "split.grouped=true"],
        "ratio grouped": ["split=ratio", "split.grouped=true"],
        "ratio grouped only": ["split=ratio", "split.grouped=true", "split.stratify=false"],
        "time_series sliding": ["split=time_series", "split.window=sliding", "split.folds=2", "split.gap=1"],
        "nested grouped": [
            "split=nested",
            "split@split.outer=leave_one_group_out",
            "split@split.inner=group_kfold",
            "split.inner.folds=3",
        ],
        "nested timed": [
            "split=nested",
            "split@split.outer=time_series",
            "split@split.inner=time_series",
            "split.outer.folds=2",
            "split.inner.folds=1",
        ],
    }
    tested = {"repeated_kfold": 10, "nested": 5, "nested grouped": 3}  # noqa: RUF012
    partial = frozenset(
        {"ratio", "ratio grouped", "ratio grouped only", "time_series", "time_series sliding"}
        | {"predefined words", "nested timed"}
    )


CASES = TestSplits.words()
make = TestSplits.split
every_split = pytest.mark.parametrize("case", CASES)


def takes(case: str, argument: str) -> bool:
    node = node_of(CASES[case])
    return any(argument in place for place in (node, node.get("outer", {}), node.get("inner", {})))


@pytest.mark.parametrize("yaml", YAMLS, ids=lambda path: path.stem)
def test_the_yaml_opens_with_two_comments_and_lists_every_argument(yaml):
    lines = yaml.read_text().splitlines()
    assert lines[0].startswith("# ")
    assert lines[1].startswith("# python -m harness ")
    node = composed((f"split={yaml.stem}",))
    assert set(node) - {"_target_"} == set(inspect.signature(get_class(node["_target_"])).parameters)


def promised(promise: str) -> list[str]:
    """The cases that promise to be `grouped` or `timed`."""
    return [case for case in CASES if getattr(make(case), promise, False)]


def test_these_splits_promise_to_keep_groups_whole_and_these_to_keep_the_order_of_time():
    assert promised("grouped") == [
        "group_kfold",
        "leave_one_group_out",
        "stratified_group_kfold",
        "predefined grouped",
        "ratio grouped",
        "ratio grouped only",
        "nested grouped",
    ]
    assert promised("timed") == ["time_series", "time_series sliding", "nested timed"]


@pytest.mark.parametrize("case", [case for case in CASES if takes(case, "fold")])
def test_one_fold_alone_is_that_among_all_and_one_that_does_not_exist_is_refused(case):
    table = make_table(60, 10, 3, 0)
    among = make(case)(table)
    count = len(among)
    for number in (count // 2, count - 1):
        (alone,) = build(node_of(CASES[case]) | {"fold": number}, "split")(table)
        assert same(alone, among[number])
    words = rf"split.fold must be between 0 and {count - 1} \(there are {count} folds\), got {count}"
    with pytest.raises(UserError, match=words):
        build(node_of(CASES[case]) | {"fold": count}, "split")(table)
    with pytest.raises(UserError, match=r"split.fold must be .* got -1"):
        build(node_of(CASES[case]) | {"fold": -1}, "split")


@pytest.mark.parametrize("case", [case for case in CASES if takes(case, "seed")])
def test_another_seed_gives_other_rows(case):
    table = make_table(60, 10, 0, 0)
    valids = {tuple(make(case, seed=seed, shuffle=True)(table)[0].valid) for seed in range(4)}
    assert len(valids) > 1


@every_split
def test_no_valid_fraction_means_no_valid_rows_but_those_of_an_inner_split(case):
    for fold in make(case, valid=0.0)(make_table(60, 10, 0, 0)):
        assert len(fold.valid) == 0 or fold.outer is not None


@every_split
def test_a_valid_fraction_outside_0_to_1_and_a_seed_that_numpy_does_not_take_are_refused(case):
    for valid in (-0.1, 1.0, float("nan")):
        with pytest.raises(UserError, match=f"valid must be 0 or more and less than 1, got {valid}"):
            make(case, valid=valid)
    for seed in (-1, 2**32) if takes(case, "seed") else ():
        with pytest.raises(UserError, match=f"seed must be between 0 and 4294967295, got {seed}"):
            make(case, seed=seed)


@every_split
def test_a_target_of_one_value_is_refused(case):
    table = make_table(24, 8, 0, 0)
    table.frame["y"] = "same"
    with pytest.raises(UserError, match="two or more distinct values, and column 'y' of table has only"):
        make(case)(table)
