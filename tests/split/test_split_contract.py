"""What every split must keep, for each yaml of conf/split."""

import inspect
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra.utils import get_class, instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from harness.table import Table

YAMLS = sorted((Path(__file__).parents[2] / "conf" / "split").glob("*.yaml"))
every_split = pytest.mark.parametrize("yaml", YAMLS, ids=lambda path: path.stem)


def build(yaml: Path, **changes: object):
    return instantiate(OmegaConf.load(yaml), **changes)


def make_table(rows: int, groups: int, missing: int, seed: int) -> Table:
    random = np.random.default_rng(seed)
    target = np.array(["sick", "well"], dtype=object)[np.arange(rows) % 2]
    target[rows - missing :] = None
    frame = pd.DataFrame({"x": np.arange(rows), "y": target, "who": random.permutation(rows) % groups})
    return Table(frame, ("x",), target=("y",), group="who")


tables = st.builds(
    make_table,
    rows=st.integers(24, 90),
    groups=st.integers(8, 12),
    missing=st.integers(0, 6),
    seed=st.integers(0, 99),
)


@every_split
def test_the_yaml_opens_with_two_comments_and_lists_every_argument(yaml):
    lines = yaml.read_text().splitlines()
    assert lines[0].startswith("# ")
    assert lines[1].startswith("# python -m harness ")
    node = OmegaConf.load(yaml)
    assert set(node) - {"_target_"} == set(inspect.signature(get_class(node._target_)).parameters)


@every_split
@settings(max_examples=15, deadline=None)
@given(table=tables, seed=st.integers(0, 9), shuffle=st.booleans())
def test_the_parts_are_disjoint_sorted_and_cover_every_labelled_row(yaml, table, seed, shuffle):
    for fold in build(yaml, seed=seed, shuffle=shuffle)(table):
        used = np.concatenate([fold.train, fold.valid, fold.test])
        assert sorted(used) == list(np.flatnonzero(table.labelled))
        for rows in (fold.train, fold.valid, fold.test, fold.unlabelled):
            assert rows.dtype == np.int64
            assert (np.diff(rows) > 0).all()
        assert len(fold.train)
        assert len(fold.valid)
        assert len(fold.test)
        assert not table.labelled[fold.unlabelled].any()


@every_split
@settings(max_examples=10, deadline=None)
@given(table=tables)
def test_the_folds_are_numbered_and_test_every_row_once(yaml, table):
    folds = build(yaml)(table)
    assert [fold.number for fold in folds] == list(range(len(folds)))
    if len(folds) > 1:
        tested = np.concatenate([fold.test for fold in folds])
        assert sorted(tested) == list(np.flatnonzero(table.labelled))


@every_split
@settings(max_examples=10, deadline=None)
@given(table=tables, seed=st.integers(0, 99))
def test_the_same_seed_gives_the_same_folds_whatever_the_global_generators_do(yaml, table, seed):
    first = build(yaml, seed=seed)(table)
    np.random.random(3)
    second = build(yaml, seed=seed)(table)
    for one, other in zip(first, second, strict=True):
        for name in ("train", "valid", "test", "unlabelled"):
            assert np.array_equal(getattr(one, name), getattr(other, name))


@every_split
def test_another_seed_gives_other_rows(yaml):
    table = make_table(60, 10, 0, 0)
    one, other = build(yaml, seed=0)(table)[0], build(yaml, seed=1)(table)[0]
    assert not np.array_equal(one.valid, other.valid)


@every_split
def test_no_valid_fraction_means_no_valid_rows(yaml):
    for fold in build(yaml, valid=0.0)(make_table(40, 10, 0, 0)):
        assert len(fold.valid) == 0


@every_split
@pytest.mark.parametrize("valid", [-0.1, 1.0, float("nan")])
def test_a_valid_fraction_outside_0_to_1_is_refused(yaml, valid):
    with pytest.raises(Exception, match=f"valid must be 0 or more and less than 1, got {valid}"):
        build(yaml, valid=valid)


@every_split
@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_numpy_does_not_take_is_refused(yaml, seed):
    with pytest.raises(Exception, match=f"seed must be between 0 and 4294967295, got {seed}"):
        build(yaml, seed=seed)


@every_split
def test_a_target_of_one_value_is_refused(yaml):
    frame = pd.DataFrame({"x": range(12), "y": ["same"] * 12, "who": list(range(6)) * 2})
    table = Table(frame, ("x",), target=("y",), group="who", name="visits")
    with pytest.raises(Exception, match="two or more distinct values, and column 'y' of visits has only"):
        build(yaml)(table)
