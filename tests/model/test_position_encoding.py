"""harness/model/position_encoding.py"""

from __future__ import annotations

from math import cos, sin

import pytest
import torch

from harness.model.position_encoding import Position, sincos


def test_waves_along_a_sequence_are_those_of_the_paper() -> None:
    table = sincos((7,), 8)
    for place in range(7):
        for i in range(4):
            angle = place / 10000 ** (2 * i / 8)
            assert table[place, i].item() == pytest.approx(sin(angle), abs=1e-6)
            assert table[place, 4 + i].item() == pytest.approx(cos(angle), abs=1e-6)


def test_waves_over_an_image_are_those_of_its_row_beside_those_of_its_column() -> None:
    table = sincos((3, 5), 8)
    assert table.shape == (15, 8)
    for row in range(3):
        for column in range(5):
            both = torch.cat([sincos((3,), 4)[row], sincos((5,), 4)[column]])
            torch.testing.assert_close(table[row * 5 + column], both)


def test_a_position_is_added_to_each_token() -> None:
    position = Position((5,), 8, "sincos")
    tokens = torch.randn(2, 5, 8)
    torch.testing.assert_close(position(tokens), tokens + sincos((5,), 8))


def test_learned_positions_are_parameters_and_waves_are_no_part_of_the_state() -> None:
    assert {name: tuple(each.shape) for name, each in Position((2, 3), 8, "learned").named_parameters()} == {
        "table": (6, 8)
    }
    assert Position((2, 3), 8, "sincos").state_dict() == {}


@pytest.mark.parametrize(("grid", "factor"), [((5,), 2), ((2, 2), 4)])
def test_waves_need_a_sine_and_a_cosine_per_coordinate(grid: tuple[int, ...], factor: int) -> None:
    with pytest.raises(ValueError, match=f"width must be a multiple of {factor} with position=sincos, got 7"):
        Position(grid, 7, "sincos")
