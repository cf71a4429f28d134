import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.split.cut import cut_groups, cut_rows


@given(
    counts=st.lists(st.integers(2, 40), min_size=1, max_size=6),
    fraction=st.floats(0.01, 0.6),
    seed=st.none() | st.integers(0, 99),
)
def test_each_stratum_gives_its_exact_share_rounded_down_or_up_and_keeps_a_row(counts, fraction, seed):
    strata = np.repeat(np.arange(len(counts)), counts)
    rng = None if seed is None else np.random.RandomState(seed)
    chosen = cut_rows(strata, fraction, "valid", rng)
    size = max(1, round(fraction * len(strata)))
    assert chosen.sum() <= size
    for stratum, count in enumerate(counts):
        given_up = chosen[strata == stratum].sum()
        assert abs(given_up - size * count / len(strata)) < 1
        assert given_up < count


@given(n=st.integers(2, 200), fraction=st.floats(0.001, 0.5))
def test_without_strata_the_part_has_the_rounded_number_of_rows_and_at_least_one(n, fraction):
    chosen = cut_rows(np.zeros(n, dtype=np.int64), fraction, "test", np.random.RandomState(0))
    if n > 2:
        assert chosen.sum() == max(1, round(fraction * n))
    else:
        assert chosen.sum() == 1


def test_without_a_generator_the_last_rows_of_each_stratum_are_chosen():
    chosen = cut_rows(np.array([0, 1, 0, 1, 0, 1, 0, 1]), 0.5, "valid", None)
    assert chosen.tolist() == [False] * 4 + [True] * 4


def test_a_fraction_of_0_chooses_nothing_even_of_one_row():
    assert cut_rows(np.zeros(1, dtype=np.int64), 0, "valid", None).tolist() == [False]


def test_every_row_is_as_likely_to_be_chosen_as_another():
    strata = np.repeat([0, 1, 2], [10, 10, 10])
    chosen = [cut_rows(strata, 0.2, "valid", np.random.RandomState(seed)) for seed in range(2000)]
    # 2000 draws of probability 0.2: standard deviation 0.009.
    assert np.abs(np.mean(chosen, axis=0) - 0.2).max() < 0.04


def test_taking_every_row_is_refused():
    words = r"split.test=0.9 of 3 rows leaves none to train on; give more rows, or lower split.test."
    with pytest.raises(UserError, match=words):
        cut_rows(np.zeros(3, dtype=np.int64), 0.9, "test", None)


def test_a_cut_that_finds_only_classes_of_one_row_is_refused():
    words = r"split.valid=0.3 finds no class with a row to spare, .*; give more rows, or set split.valid=0."
    with pytest.raises(UserError, match=words):
        cut_rows(np.arange(4), 0.3, "valid", None)


@given(
    groups=st.lists(st.sampled_from("abcdefgh"), min_size=2).filter(lambda names: len(set(names)) > 1),
    seed=st.integers(0, 99),
)
def test_groups_are_chosen_whole(groups, seed):
    groups = np.array(groups)
    chosen = cut_groups(groups, 0.3, "valid", np.random.RandomState(seed))
    assert len(set(groups[chosen])) == max(1, round(0.3 * len(set(groups))))
    assert not set(groups[chosen]) & set(groups[~chosen])


def test_taking_every_group_is_refused():
    words = r"split.valid=0.2 of the 1 groups that a fold leaves .* set more split.folds, or split.valid=0."
    with pytest.raises(UserError, match=words):
        cut_groups(np.array(["a", "a"]), 0.2, "valid", np.random.RandomState(0))


def test_no_group_is_taken_for_a_fraction_of_0():
    assert not cut_groups(np.array(["a", "a"]), 0, "valid", np.random.RandomState(0)).any()
