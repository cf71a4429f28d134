"""What every split must keep, for each yaml of conf/split and the settings that change its promises."""

import copy
import inspect
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra.utils import get_class
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from harness.build import build, check_nodes
from harness.compose import compose_words
from harness.errors import UserError
from harness.fold import Fold
from harness.table import Table

YAMLS = sorted((Path(__file__).parents[2] / "conf" / "split").glob("*.yaml"))
CASES = {
    **{path.stem: [f"split={path.stem}"] for path in YAMLS},
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
"""The command line of each split under test."""

TESTED = {"repeated_kfold": 10, "nested": 5, "nested grouped": 3}
"""How often a row tests, where that is not once."""

PARTIAL = {case for case in CASES if case.startswith(("ratio", "time_series"))}
PARTIAL |= {"predefined words", "nested timed"}
"""Those that do not test every row."""

ROLES = ("train", "valid", "test", "unlabelled")
every_split = pytest.mark.parametrize("case", CASES)


@cache
def composed(case: str) -> dict:
    node = OmegaConf.to_container(compose_words(CASES[case]).split)
    return {name: value for name, value in node.items() if name not in ("guard", "labelled")}


def node_of(case: str, **changes: object) -> dict:
    """The node with those of the changes that it, or the splits within it, take."""
    node = copy.deepcopy(composed(case))
    for place in (node, node.get("outer", {}), node.get("inner", {})):
        place.update({name: value for name, value in changes.items() if name in place})
    return node


def make(case: str, **changes: object):
    return build(node_of(case, **changes), "split")


def takes(case: str, argument: str) -> bool:
    node = composed(case)
    return any(argument in place for place in (node, node.get("outer", {}), node.get("inner", {})))


def make_table(rows: int, groups: int, missing: int, seed: int) -> Table:
    random = np.random.default_rng(seed)
    target = np.array(["sick", "well"], dtype=object)[np.arange(rows) % 2]
    target[random.permutation(rows)[:missing]] = None
    who = random.permutation(rows) % groups
    frame = pd.DataFrame(
        {
            "x": np.arange(rows),
            "y": target,
            "who": who,
            "when": random.permutation(rows) // 2,
            "number": random.permutation(rows) % 4,
            "part": np.array(["train", "test", "train"])[np.arange(rows) % 3],
            "site": who % 4,
        }
    )
    return Table(frame, ("x",), target=("y",), group="who", time="when")


tables = st.builds(
    make_table,
    rows=st.integers(36, 90),
    groups=st.integers(8, 12),
    missing=st.integers(0, 4),
    seed=st.integers(0, 99),
)


def same(one: Fold, other: Fold) -> bool:
    parts = all(np.array_equal(getattr(one, role), getattr(other, role)) for role in ROLES)
    return parts and (one.number, one.outer) == (other.number, other.outer)


@pytest.mark.parametrize("yaml", YAMLS, ids=lambda path: path.stem)
def test_the_yaml_opens_with_two_comments_and_lists_every_argument(yaml):
    lines = yaml.read_text().splitlines()
    assert lines[0].startswith("# ")
    assert lines[1].startswith("# python -m harness ")
    node = composed(yaml.stem)
    assert set(node) - {"_target_"} == set(inspect.signature(get_class(node["_target_"])).parameters)


@every_split
def test_the_values_of_the_yaml_fit_the_constructor(case):
    check_nodes(composed(case), "split")


@every_split
@settings(max_examples=8, deadline=None)
@given(table=tables, seed=st.integers(0, 9), shuffle=st.booleans())
def test_the_parts_are_disjoint_sorted_and_cover_every_labelled_row(case, table, seed, shuffle):
    split = make(case, seed=seed, shuffle=shuffle)
    for fold in split(table):
        used = np.concatenate([fold.train, fold.valid, fold.test])
        assert len(np.unique(used)) == len(used)
        assert table.labelled[used].all()
        if not getattr(split, "timed", False):
            assert len(used) == table.labelled.sum()
        for role in ROLES:
            rows = getattr(fold, role)
            assert rows.dtype == np.int64
            assert (np.diff(rows) > 0).all()
        assert len(fold.train)
        assert len(fold.valid)
        assert len(fold.test)
        assert not table.labelled[fold.unlabelled].any()


@every_split
@settings(max_examples=8, deadline=None)
@given(table=tables)
def test_the_folds_are_numbered_and_test_every_row_as_often_as_promised(case, table):
    folds = make(case)(table)
    assert [fold.number for fold in folds] == list(range(len(folds)))
    tested = np.bincount(np.concatenate([fold.test for fold in folds]), minlength=len(table))
    if case not in PARTIAL:
        assert tested.tolist() == (table.labelled * TESTED.get(case, 1)).tolist()
    else:
        assert tested.max() == 1


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


@pytest.mark.parametrize("case", promised("grouped"))
@settings(max_examples=12, deadline=None)
@given(table=tables, seed=st.integers(0, 99), shuffle=st.booleans())
def test_a_grouped_split_has_no_group_in_two_parts(case, table, seed, shuffle):
    for fold in make(case, seed=seed, shuffle=shuffle)(table):
        train, valid, test, unlabelled = (set(table.groups[getattr(fold, role)]) for role in ROLES)
        assert not train & valid
        assert not (train | unlabelled) & test
        assert not (test | unlabelled) & valid


@pytest.mark.parametrize("case", promised("timed"))
@settings(max_examples=12, deadline=None)
@given(table=tables)
def test_a_timed_split_trains_on_rows_earlier_than_those_it_validates_and_tests_on(case, table):
    times = table.frame["when"].to_numpy()
    for fold in make(case)(table):
        assert times[fold.train].max() < times[fold.valid].min()
        assert times[fold.valid].max() < times[fold.test].min()
        assert (times[fold.unlabelled] <= times[fold.train].max()).all()


@every_split
@settings(max_examples=5, deadline=None)
@given(table=tables, seed=st.integers(0, 99))
def test_the_same_seed_gives_the_same_folds_whatever_the_global_generators_do(case, table, seed):
    first = make(case, seed=seed)(table)
    np.random.random(3)
    second = make(case, seed=seed)(table)
    assert all(same(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("case", [case for case in CASES if takes(case, "fold")])
@pytest.mark.parametrize("last", [False, True])
def test_one_fold_alone_has_the_rows_and_the_number_that_it_has_among_all(case, last):
    table = make_table(60, 10, 3, 0)
    among = make(case)(table)
    number = len(among) - 1 if last else len(among) // 2
    node = node_of(case) | {"fold": number}
    (alone,) = build(node, "split")(table)
    assert same(alone, among[number])


@pytest.mark.parametrize("case", [case for case in CASES if takes(case, "fold")])
def test_a_fold_that_does_not_exist_is_refused(case):
    table = make_table(60, 10, 0, 0)
    count = len(make(case)(table))
    words = rf"split.fold must be between 0 and {count - 1} \(there are {count} folds\), got {count}"
    with pytest.raises(UserError, match=words):
        build(node_of(case) | {"fold": count}, "split")(table)
    with pytest.raises(UserError, match=r"split.fold must be .* got -1"):
        build(node_of(case) | {"fold": -1}, "split")


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
@pytest.mark.parametrize("valid", [-0.1, 1.0, float("nan")])
def test_a_valid_fraction_outside_0_to_1_is_refused(case, valid):
    with pytest.raises(UserError, match=f"valid must be 0 or more and less than 1, got {valid}"):
        make(case, valid=valid)


@pytest.mark.parametrize("case", [case for case in CASES if takes(case, "seed")])
@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_numpy_does_not_take_is_refused(case, seed):
    with pytest.raises(UserError, match=f"seed must be between 0 and 4294967295, got {seed}"):
        make(case, seed=seed)


@every_split
def test_a_target_of_one_value_is_refused(case):
    table = make_table(24, 8, 0, 0)
    table.frame["y"] = "same"
    with pytest.raises(UserError, match="two or more distinct values, and column 'y' of table has only"):
        make(case)(table)
