import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import UserError
from harness.split.holdout_part import cut_groups, cut_groups_in_proportion, cut_rows, members


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


@pytest.mark.parametrize(
    ("cut", "arguments", "sentence"),
    [
        (
            cut_rows,
            (np.zeros(3, int), 0.9, "test", None),
            "test=0.9 of 3 rows leaves none .* lower split.test.",
        ),
        (
            cut_rows,
            (np.arange(4), 0.3, "valid", None),
            "finds no class with a row to spare, .*split.valid=0.",
        ),
        (cut_groups, (np.array(["a", "a"]), 0.2, "valid", np.random), "0.2 of the 1 groups .* take them all"),
        (
            cut_groups_in_proportion,
            (np.array([3, 3, 4]), np.array([0, 0, 1]), 0.2, "test", None),
            "no group to spare",
        ),
    ],
)
def test_a_cut_that_leaves_nothing_to_train_on_is_refused(cut, arguments, sentence):
    with pytest.raises(UserError, match=sentence):
        cut(*arguments)


@given(
    groups=st.lists(st.sampled_from("abcdefgh"), min_size=2).filter(lambda names: len(set(names)) > 1),
    seed=st.integers(0, 99),
)
def test_groups_are_chosen_whole(groups, seed):
    groups = np.array(groups)
    chosen = cut_groups(groups, 0.3, "valid", np.random.RandomState(seed))
    assert len(set(groups[chosen])) == max(1, round(0.3 * len(set(groups))))
    assert not set(groups[chosen]) & set(groups[~chosen])


def test_no_group_is_taken_for_a_fraction_of_0():
    assert not cut_groups(np.array(["a", "a"]), 0, "valid", np.random.RandomState(0)).any()


@st.composite
def divided(draw):
    """The group and the class of each row: every class in three groups or more."""
    names = draw(st.integers(2, 4))
    groups = draw(st.lists(st.integers(0, 14), min_size=20, max_size=80))
    strata = draw(st.lists(st.integers(0, names - 1), min_size=len(groups), max_size=len(groups)))
    strata += [name for name in range(names) for _ in range(3)]
    groups += [20 + group for _ in range(names) for group in range(3)]
    return np.array(groups), np.array(strata)


@given(found=divided(), fraction=st.floats(0.05, 0.5), seed=st.none() | st.integers(0, 99))
def test_groups_in_proportion_are_whole_and_leave_a_row_of_every_class(found, fraction, seed):
    groups, strata = found
    rng = None if seed is None else np.random.RandomState(seed)
    chosen = cut_groups_in_proportion(groups, strata, fraction, "valid", rng)
    assert chosen.any()
    assert not set(groups[chosen]) & set(groups[~chosen])
    assert set(strata[~chosen]) == set(strata)


def test_of_many_small_groups_every_class_gives_its_share_within_a_hundredth():
    random = np.random.default_rng(0)
    groups = random.integers(0, 2000, 10_000)
    strata = random.choice(3, 10_000, p=[0.7, 0.2, 0.1])
    chosen = cut_groups_in_proportion(groups, strata, 0.2, "test", np.random.RandomState(0))
    assert np.abs([chosen[strata == stratum].mean() - 0.2 for stratum in range(3)]).max() < 0.01


def test_of_groups_that_differ_those_that_keep_the_proportions_are_chosen():
    # Six groups of pure classes beside two of even ones, either of which gives a quarter of each class.
    groups = np.repeat(np.arange(8), 2)
    strata = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1])
    for seed in range(10):
        chosen = cut_groups_in_proportion(groups, strata, 0.125, "test", np.random.RandomState(seed))
        assert set(groups[chosen]) in ({6}, {7})


def test_without_a_generator_groups_are_tried_from_the_last():
    groups, strata = np.repeat(np.arange(10), 2), np.tile([0, 1], 10)
    chosen = cut_groups_in_proportion(groups, strata, 0.2, "test", None)
    assert set(groups[chosen]) == {8, 9}


def test_no_group_is_taken_in_proportion_for_a_fraction_of_0():
    assert not cut_groups_in_proportion(np.array([1, 2]), np.array([0, 0]), 0, "test", None).any()


@given(strata=st.lists(st.integers(0, 300), min_size=1).map(np.array))
def test_the_members_of_each_stratum_are_its_positions_in_order(strata):
    naive = [np.flatnonzero(strata == stratum).tolist() for stratum in range(strata.max() + 1)]
    assert [own.tolist() for own in members(strata)] == naive
