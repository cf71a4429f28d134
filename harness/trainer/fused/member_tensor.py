"""A tensor of each of several members, which the code of one network uses as if it were a tensor of one.

`torch.func.vmap` does that for any operation, and takes some 15 us more for each. Here the operations of
small networks are written for stacked tensors, with the bits of `vmap`; a network that needs another is left
to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import functional

from harness.trainer.fused.flat_members import ALIGNMENT
from harness.trainer.fused.member_functions import batch_norm


class Unsuitable(Exception):
    """A network needs something that is not written for stacked tensors; the text says what."""


@final
class MemberTensor(Tensor):
    """Values (K, *shape) of K members, which has the shape of one.

    It has no memory of its own, and takes part in torch's Python functions only: what reaches it in another
    way raises `Unsuitable`. So does what a `torch.autograd.Function` made of it, which has another gradient.
    """

    stacked: Tensor

    @staticmethod
    def __new__(cls, values: Tensor) -> MemberTensor:
        one: MemberTensor = Tensor._make_wrapper_subclass(
            cls,
            values.shape[1:],
            dtype=values.dtype,
            device=values.device,
            requires_grad=values.requires_grad,
        )
        one.stacked = values
        return one

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        rule = _RULES.get(func)
        if rule is None:
            raise Unsuitable(f"no rule for {func}")
        return rule(func, *args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # torch's own subclasses have it so
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        raise Unsuitable(f"{func} was not called from Python")


def values_of(one: Any) -> Tensor:
    """The values (K, *shape) of a member tensor."""
    if type(one) is not MemberTensor:
        raise Unsuitable("a tensor that members share")
    with torch._C.DisableTorchFunctionSubclass():
        if one.grad_fn is not None:
            raise Unsuitable("a result of a torch.autograd.Function")
    return one.stacked


_masks: ContextVar[Iterator[Tensor]] = ContextVar("_masks")


@contextmanager
def dropping(masks: Sequence[Tensor]) -> Iterator[None]:
    """Within this context, each use of dropout multiplies by the next of the masks (K, *shape).

    Raises:
        Unsuitable: not all of them were used.
    """
    left = iter(masks)
    before = _masks.set(left)
    try:
        yield
    finally:
        _masks.reset(before)
    if next(left, None) is not None:
        raise Unsuitable("a mask of dropout is left")


def _of_one(func: Any, *args: Any, **kwargs: Any) -> Any:
    """What does not depend on values, such as shapes and types, which are those of one member."""
    with torch._C.DisableTorchFunctionSubclass():
        return func(*args, **kwargs)


def _each(func: Any, one: Any, *settings: Any, **more: Any) -> MemberTensor:
    """A function of each value alone."""
    if any(isinstance(setting, Tensor) for setting in (*settings, *more.values())):
        raise Unsuitable(f"{func} by a tensor")
    return MemberTensor(func(values_of(one), *settings, **more))


def _broadcast(func: Any, *args: Any) -> MemberTensor:
    """A function of values that are broadcast against each other."""
    dims = [arg.stacked.ndim for arg in args if type(arg) is MemberTensor]
    most = max(dims)
    types = set()
    filled = []
    for arg in args:
        if isinstance(arg, Tensor):
            if type(arg) is MemberTensor:
                arg = values_of(arg)
                if arg.ndim < most:
                    arg = arg.view(len(arg), *[1] * (most - arg.ndim), *arg.shape[1:])
            elif arg.ndim >= most:
                raise Unsuitable(f"{func} by a larger tensor that members share")
            if arg.dtype is not torch.bool:
                types.add(arg.dtype)
        filled.append(arg)
    if len(types) > 1:  # the type of the result may depend on whether one has no dimension
        raise Unsuitable(f"{func} of several types")
    return MemberTensor(func(*filled))


def _in_place(func: Any, one: Any, *others: Any) -> Any:
    """A function that changes the first tensor."""
    most, learned = values_of(one).ndim, one.stacked.requires_grad
    if any(type(other) is MemberTensor and other.stacked.ndim > most for other in others):
        raise Unsuitable(f"{func} by a larger tensor")
    _broadcast(func, one, *others)
    if one.stacked.requires_grad != learned:  # the tensor around the values cannot change
        raise Unsuitable(f"{func} gives a tensor its gradient")
    return one


def _place(dim: int) -> int:
    """A dimension of one member's tensor in the stacked one."""
    return dim + 1 if dim >= 0 else dim


def _by_dims(func: Any, one: Any, *dims: int) -> MemberTensor:
    """A function of a tensor and of dimensions."""
    return MemberTensor(func(values_of(one), *map(_place, dims)))


def _flatten(func: Any, one: Any, start_dim: int = 0, end_dim: int = -1) -> MemberTensor:
    if values_of(one).ndim == 1 or start_dim < 0:
        raise Unsuitable("this flattening")
    return MemberTensor(torch.flatten(one.stacked, start_dim + 1, _place(end_dim)))


def _view(func: Any, one: Any, *shape: Any) -> MemberTensor:
    values = values_of(one)
    sides = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
    return MemberTensor(func(values, (len(values), *sides)))


def _reduced(func: Any, one: Any, dim: Any = None, keepdim: bool = False) -> MemberTensor:
    """A mean or sum over some dimensions of one member's tensor; None: over all of them."""
    values = values_of(one)
    if dim is None:
        places = list(range(1, values.ndim))
    else:
        places = [_place(own) for own in ([dim] if isinstance(dim, int) else dim)]
    if not places:  # torch would reduce all dimensions, that of the members too
        raise Unsuitable(f"{func} over no dimension")
    return MemberTensor(func(values, places, keepdim))


def _padded(func: Any, one: Any, pad: Sequence[int], mode: str = "constant", value: float = 0.0) -> Any:
    if mode != "constant" or len(pad) > 2 * (values_of(one).ndim - 1):
        raise Unsuitable("this padding")
    return MemberTensor(functional.pad(one.stacked, pad, value=value))


def _joined(func: Any, tensors: Sequence[Any], dim: int = 0) -> MemberTensor:
    return MemberTensor(torch.cat([values_of(one) for one in tensors], _place(dim)))


def _item(func: Any, one: Any, index: Any) -> MemberTensor:
    indices = index if isinstance(index, tuple) else (index,)
    if not all(part is None or part is ... or type(part) in (int, slice) for part in indices):
        raise Unsuitable("an index that is computed")
    return MemberTensor(values_of(one)[(slice(None), *indices)])


def _matmul(func: Any, one: Any, other: Any) -> MemberTensor:
    left, right = values_of(one), values_of(other)
    if left.ndim != right.ndim or left.ndim < 3:
        raise Unsuitable("this product")
    return MemberTensor(torch.matmul(left, right))


def _linear(func: Any, inputs: Any, weight: Any, bias: Any = None) -> MemberTensor:
    """A linear layer; the inputs of each member begin at a multiple of `ALIGNMENT`, as those of one do."""
    values, weights = values_of(inputs), values_of(weight)
    if values.ndim != 3:
        raise Unsuitable("a linear layer of more than rows")
    count = values.shape[1] * values.shape[2]
    gap = -count % (ALIGNMENT // values.element_size())
    if gap:
        values = functional.pad(values.flatten(1), (0, gap))[:, :count].view(values.shape)
    product = torch.bmm(values, weights.transpose(1, 2))
    return MemberTensor(product if bias is None else product.add_(values_of(bias).unsqueeze(1)))


def _dropout(func: Any, one: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    if not training or p == 0:
        return one
    mask = next(_masks.get(), None)
    if mask is None:
        raise Unsuitable("more dropout than was drawn")
    return MemberTensor(values_of(one) * mask)


def _layer_norm(
    func: Any, one: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    normed: Any = MemberTensor(functional.layer_norm(values_of(one), normalized_shape, None, None, eps))
    if weight is not None:
        normed = normed * weight
    return normed if bias is None else normed + bias


def _batch_norm(
    func: Any,
    inputs: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    if not training:
        raise Unsuitable("batch normalisation by running statistics")
    return batch_norm(inputs, running_mean, running_var, weight, bias, True, momentum, eps)


def _cross_entropy_of_two(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy in the operations of `vmap`; torch's kernel rounds by the place of a value."""
    most = (-logits).clamp_min(0)
    return (1 - targets) * logits + most + ((-most).exp() + (-logits - most).exp()).log()


def _loss(func: Any, outputs: Any, targets: Any, *settings: Any, **more: Any) -> MemberTensor:
    """The mean loss of each member, (B, …) outputs each, or (B, C) and codes."""
    values, wanted = values_of(outputs), values_of(targets)
    reduction = more.pop("reduction", "mean")
    unset = {"weight": None, "pos_weight": None, "ignore_index": -100, "label_smoothing": 0.0}
    if settings or any(unset.get(name) != value for name, value in more.items()):
        raise Unsuitable(f"{func} with settings")
    codes = func is functional.cross_entropy
    fitting = values.shape[:2] == wanted.shape if codes and values.ndim == 3 else values.shape == wanted.shape
    if not fitting or (codes and wanted.is_floating_point()):
        raise Unsuitable(f"{func} of such shapes")
    if func is functional.binary_cross_entropy_with_logits:
        each = _cross_entropy_of_two(values, wanted)
    else:
        each = func(values.flatten(0, 1), wanted.flatten(0, 1), reduction="none").view(wanted.shape)
    return MemberTensor(each) if reduction == "none" else MemberTensor(each.flatten(1).mean(1))


_RULES: dict[Any, Callable[..., Any]] = {
    functional.linear: _linear,
    functional.dropout: _dropout,
    functional.layer_norm: _layer_norm,
    functional.batch_norm: _batch_norm,
    **dict.fromkeys((functional.cross_entropy, functional.mse_loss), _loss),
    functional.binary_cross_entropy_with_logits: _loss,
}


def _rule(rule: Callable[..., Any], names: str) -> None:
    """Gives a rule to torch's functions of these names, wherever torch has them."""
    for name in names.split():
        for owner in (torch, Tensor, functional):
            function = getattr(owner, name, None)
            if callable(function):  # `torch.float` is a type
                _RULES[function] = rule


_rule(_each, "abs cos elu erf exp expm1 gelu hardswish leaky_relu log log1p mish neg reciprocal relu rsqrt")
_rule(_each, "selu sigmoid silu sin softplus sqrt square tanh")
_rule(_each, "clamp clamp_max clamp_min clone detach double float to")
_rule(_broadcast, "add div eq ge gt le lt maximum minimum mul ne pow sub where")
_rule(_broadcast, "__eq__ __pow__ __rsub__ __rtruediv__")
_rule(_in_place, "add_ div_ mul_ sub_")
_rule(_by_dims, "squeeze transpose unsqueeze")
_rule(_flatten, "flatten")
_rule(_view, "reshape view")
_rule(_reduced, "mean sum")
_rule(_joined, "cat")
_rule(_padded, "pad")
_rule(_item, "__getitem__")
_rule(_matmul, "matmul __matmul__")
_rule(_of_one, "dim is_floating_point numel size")
for _name in ("device", "dtype", "is_cuda", "ndim", "requires_grad", "shape"):
    _RULES[getattr(Tensor, _name).__get__] = _of_one
