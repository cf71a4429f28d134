"""The parts of a step are any named tuple of tensors, of whatever else, and of such tuples."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from harness.core.arrays import ChosenRows
from harness.trainer.fused.step_parts import form_of, stacked, tensors_of, whole, with_tensors


class Inner(NamedTuple):
    """Two views."""

    views: tuple[Tensor, ...]


class Parts(NamedTuple):
    """A tensor, a tuple, nothing and a number."""

    data: Tensor
    inner: Inner
    weights: Tensor | None = None
    share: float = 1.0


def parts(first: float, rows: int = 2) -> Parts:
    return Parts(torch.full((rows, 3), first), Inner((torch.tensor([first + 1]), torch.tensor([2]))))


def test_parts_are_taken_apart_and_put_together() -> None:
    tensors = tensors_of(parts(0.0))
    assert [tuple(tensor.shape) for tensor in tensors] == [(2, 3), (1,), (1,)]
    filled = with_tensors(parts(0.0), [tensor + 5 for tensor in tensors])
    assert isinstance(filled, Parts)
    assert isinstance(filled.inner, Inner)
    assert filled.inner.views[1].tolist() == [7]
    assert (filled.weights, filled.share) == (None, 1.0)


def test_parts_of_one_form_are_stacked() -> None:
    data, one, other = stacked([parts(0.0), parts(4.0), parts(8.0)])
    assert data.shape == (3, 2, 3)
    assert one.tolist() == [[1], [5], [9]]
    assert other.dtype == torch.int64


def test_the_form_tells_shapes_types_and_what_is_no_tensor_apart() -> None:
    form = form_of(parts(0.0))
    assert form == form_of(parts(7.0))
    others = [
        parts(0.0, rows=3),
        parts(0.0)._replace(share=0.5),
        parts(0.0)._replace(weights=torch.ones(2)),
        parts(0.0)._replace(data=torch.zeros(2, 3, dtype=torch.float64)),
    ]
    assert form not in map(form_of, others)


@pytest.mark.parametrize("tables", [1, 2])
def test_rows_that_are_copied_later_are_parts_like_copies(tables: int) -> None:
    table = [torch.arange(12.0).view(6, 2) + 100 * number for number in range(tables)]
    rows = [torch.tensor([4, 0, 4]), torch.tensor([1, 2, 5])]
    chosen = [Parts(ChosenRows(table[k % tables], rows[k]), Inner(())) for k in range(2)]  # type: ignore[arg-type]
    copies = [Parts(table[k % tables][rows[k]], Inner(())) for k in range(2)]
    assert form_of(chosen[0]) == form_of(copies[0])
    assert torch.equal(stacked(chosen)[0], stacked(copies)[0])
    assert torch.equal(whole(chosen[1]).data, copies[1].data)
    assert whole(copies[0]) is not None
