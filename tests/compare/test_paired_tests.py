"""The tests give what was computed by hand, and what scipy gives where it has the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from harness.compare.paired_tests import corrected_t, holm, mcnemar, wilcoxon


def test_the_corrected_t_is_that_of_nadeau_and_bengio_by_hand() -> None:
    # Mean 2, variance 2.5 over 5 folds; (1/5 + 1/4) * 2.5 = 1.125; t = 2 / sqrt(1.125) = 1.885618
    found = corrected_t([0.0, 1.0, 2.0, 3.0, 4.0], 0.25)
    assert found.p == pytest.approx(2 * stats.t.sf(1.8856180831641267, 4), rel=1e-12)
    assert found.effect == pytest.approx(2 / math.sqrt(2.5), rel=1e-12)
    assert (found.pairs, found.size) == (5, "d_z")


def test_without_overlap_the_corrected_t_is_the_paired_t_test() -> None:
    first, second = [0.91, 0.93, 0.90, 0.95], [0.90, 0.94, 0.86, 0.93]
    gaps = [b - a for a, b in zip(first, second, strict=True)]
    assert corrected_t(gaps, 0.0).p == pytest.approx(stats.ttest_rel(first, second).pvalue, rel=1e-9)
    assert corrected_t(gaps, 0.25).p > corrected_t(gaps, 0.0).p


def test_differences_without_spread_have_no_p_unless_they_are_nothing() -> None:
    assert math.isnan(corrected_t([0.9 - 0.8, 0.8 - 0.7, 0.7 - 0.6], 0.25).p)
    same = corrected_t([0.0, 0.0], 0.25)
    assert (same.p, same.effect) == (1.0, 0.0)


def test_mcnemar_counts_the_rows_on_which_one_alone_is_right() -> None:
    # b = 1, c = 6: p = 2 * (C(7,0) + C(7,1)) / 2^7 = 16 / 128
    best = [True] * 10 + [True] + [False] * 6
    other = [True] * 10 + [False] + [True] * 6
    found = mcnemar(best, other)
    assert found.p == pytest.approx(0.125, rel=1e-12)
    assert found.effect == pytest.approx(5 / 7)
    assert found.pairs == 17
    assert (mcnemar([True, False], [True, False]).p, mcnemar([True], [True]).effect) == (1.0, 0.0)


def test_wilcoxon_is_scipys_and_its_effect_the_share_of_rank_sums() -> None:
    # Gaps 1, 2, 3, -4 have ranks 1 to 4: (1 + 2 + 3 - 4) / 10
    found = wilcoxon([0, 0, 0, 4, 5], [1, 2, 3, 0, 5])
    assert found.effect == pytest.approx(0.2)
    assert found.p == pytest.approx(0.875)  # 14 of the 16 signs give a rank sum at least as far from 5
    random = np.random.default_rng(0)
    first, second = random.random(40), random.random(40) + 0.2
    assert wilcoxon(first, second).p == pytest.approx(stats.wilcoxon(first, second).pvalue)
    assert wilcoxon([1.0], [1.0]).p == 1.0


def test_holm_by_hand_and_an_undefined_p_is_not_counted() -> None:
    found = holm([0.04, math.nan, 0.01, 0.03, 0.9])
    # Sorted 0.01, 0.03, 0.04, 0.9 times 4, 3, 2, 1: 0.04, 0.09, 0.08 raised to 0.09, 0.9
    assert [found[place] for place in (0, 2, 3, 4)] == pytest.approx([0.09, 0.04, 0.09, 0.9])
    assert math.isnan(found[1])
    assert holm([0.7, 0.8]) == [1.0, 1.0]
