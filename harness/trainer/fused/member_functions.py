"""Functions that a network of several members computes in another way than a single network.

Dropout: each member draws, outside of the vectorised code, the masks that it would draw alone. Batch
normalisation: torch's kernel puts the channels of all members side by side, and its roundings then depend on
how many there are; the same formula in elementary operations does not. A linear layer: the roundings of a
matrix product depend on where its factors begin in memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, final

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from harness.trainer.fused.flat_members import ALIGNMENT

_DROPOUT = (functional.dropout, torch.dropout)
_ATTENTION = functional.scaled_dot_product_attention
_NORM = functional.batch_norm
_LINEAR = functional.linear


class Dropout(NamedTuple):
    """One use of dropout in a forward pass: the shape of its input without the members, and the share."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    share: float


class NotVectorised(Exception):
    """The network uses something that cannot be vectorised over members; the text says what."""


@final
class DropoutRecorder(TorchFunctionMode):
    """Within this context, each use of dropout is listed in `used`, in order; nothing is drawn for it."""

    def __init__(self) -> None:
        super().__init__()
        self.used: list[Dropout] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _intercepted(func, args, kwargs or {}, self._noted)

    def _noted(self, inputs: Tensor, share: float) -> Tensor:
        self.used.append(Dropout(tuple(inputs.shape), inputs.dtype, share))
        return inputs


@final
class MemberFunctions(TorchFunctionMode):
    """Within this context, functions are those of members: dropout multiplies by the next of the masks."""

    def __init__(self, masks: Sequence[Tensor]) -> None:
        super().__init__()
        self._masks: Iterator[Tensor] = iter(masks)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _intercepted(func, args, kwargs or {}, lambda inputs, share: inputs * next(self._masks))


def draw_masks(used: Sequence[Sequence[Dropout]], generators: Sequence[torch.Generator]) -> list[Tensor]:
    """The masks of one step: for each use of dropout (K, *shape), 0 or 1 / (1 - share).

    Member k draws from its generator in the order in which its own forward pass would.

    Args:
        used: of each member, its uses of dropout; only the shares differ between members.
    """
    if not any(used):
        return []
    masks = [torch.empty((len(used), *one.shape), dtype=one.dtype) for one in used[0]]
    for number, (own, generator) in enumerate(zip(used, generators, strict=True)):
        for mask, one in zip(masks, own, strict=True):
            mask[number].bernoulli_(1 - one.share, generator=generator)
    for mask, uses in zip(masks, zip(*used, strict=True), strict=True):
        kept = torch.tensor([1 - one.share for one in uses], dtype=mask.dtype)
        mask.div_(kept.view(-1, *[1] * (mask.ndim - 1)))
    return masks


def _intercepted(func: Any, args: Any, kwargs: dict[str, Any], drop: Any) -> Any:
    if func in _DROPOUT:
        return _dropout(func, args, kwargs, drop)
    if func is _ATTENTION:
        return _attention(*args, drop=drop, **kwargs)
    if func is _NORM:
        return batch_norm(*args, **kwargs)
    if func is _LINEAR:
        return _linear(*args, **kwargs)
    return func(*args, **kwargs)


def _dropout(func: Any, args: Any, kwargs: dict[str, Any], drop: Any) -> Any:
    names = ("input", "p", "training") if func is functional.dropout else ("input", "p", "train")
    given = {"p": 0.5, names[2]: True, **dict(zip(names, args, strict=False)), **kwargs}
    if not given[names[2]] or given["p"] == 0:
        return given["input"]
    return drop(given["input"], given["p"])


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    drop: Any,
    **others: Any,
) -> Any:
    if dropout_p == 0:
        return _ATTENTION(query, key, value, attn_mask, dropout_p, is_causal, **others)
    if attn_mask is not None or is_causal or others.get("enable_gqa"):
        raise NotVectorised("its attention has both dropout and a mask")
    scale = others.get("scale") or 1 / math.sqrt(query.shape[-1])
    root = math.sqrt(scale)  # as torch scales in its own formula, so that nothing overflows
    weights = torch.softmax((query * root) @ (key * root).transpose(-2, -1), dim=-1)
    return drop(weights, dropout_p) @ value


def _linear(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Any:
    """A linear layer; the inputs of each member begin at a multiple of `ALIGNMENT`, as those of one do."""
    count, shape = inputs.numel(), inputs.shape
    gap = -count % (ALIGNMENT // inputs.dtype.itemsize)
    if gap:
        inputs = functional.pad(inputs.reshape(-1), (0, gap))[:count].view(shape)
    return _LINEAR(inputs, weight, bias)


def batch_norm(
    inputs: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Batch normalisation (arXiv 1502.03167, algorithm 1), with torch's running statistics."""
    if not training:
        return _NORM(inputs, running_mean, running_var, weight, bias, training, momentum, eps)
    dims = [0, *range(2, inputs.ndim)]
    shape = (1, -1, *[1] * (inputs.ndim - 2))
    count = inputs.numel() // inputs.shape[1]
    mean = inputs.mean(dim=dims)
    centred = inputs - mean.view(shape)
    variance = centred.square().mean(dim=dims)
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            running_mean.mul_(1 - momentum).add_(mean.detach() * momentum)
            unbiased = variance.detach() * (count / (count - 1))
            running_var.mul_(1 - momentum).add_(unbiased * momentum)
    normed = centred * (variance + eps).rsqrt().view(shape)
    if weight is not None:
        normed = normed * weight.view(shape)
    return normed if bias is None else normed + bias.view(shape)
