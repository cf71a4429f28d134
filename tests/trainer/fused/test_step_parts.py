"""The parts of a step are any named tuple of tensors, of whatever else, and of such tuples."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from harness.trainer.fused.step_parts import form_of, stacked, tensors_of, with_tensors


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
