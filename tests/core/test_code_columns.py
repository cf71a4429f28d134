"""harness/core/code_columns.py"""

from __future__ import annotations

import torch

from harness.core.code_columns import MOST_ONE_HOT, argument, one_hot, one_hot_width, without_rare

ROWS = torch.tensor([[0.5, 0.0, 2.0], [1.5, 1.0, 0.0], [2.5, 2.0, 1.0]])


def test_each_code_is_a_feature_behind_the_numbers() -> None:
    made = one_hot(ROWS, (3, 4))
    assert made.tolist() == [
        [0.5, 1, 0, 0, 0, 0, 1, 0],
        [1.5, 0, 1, 0, 1, 0, 0, 0],
        [2.5, 0, 0, 1, 0, 1, 0, 0],
    ]
    assert made.shape[1] == one_hot_width(3, (3, 4))
    assert one_hot(ROWS, ()) is ROWS


def test_rare_codes_count_as_unknown() -> None:
    many = torch.arange(2.0 * MOST_ONE_HOT)[:, None]
    made = one_hot(many, (len(many),))
    assert made.shape[1] == one_hot_width(1, (len(many),)) == MOST_ONE_HOT
    assert made[:, 0].nonzero().flatten().tolist() == [0, *range(MOST_ONE_HOT, len(many))]
    assert without_rare(ROWS, (3,), 2)[:, 2].tolist() == [0.0, 0.0, 1.0]
    assert torch.equal(without_rare(ROWS, (3,), 2)[:, :2], ROWS[:, :2])


def test_a_model_of_rows_without_codes_is_built_as_before() -> None:
    assert argument(()) == {}
    assert argument([3]) == {"codes": (3,)}
