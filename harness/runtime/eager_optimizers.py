"""Optimizers that do not import `torch._dynamo`.

The optimizers of torch.optim import it when they are made and at each step, in case the step is compiled. A
run of harness compiles its model at most, never a step. The import takes 1.2 s, a quarter of a short run.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.optimizer import _use_grad_for_differentiable

_DISABLED = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")
"""Methods that torch excludes from compilation; it calls what their `__dynamo_disable` holds."""


def skip_dynamo() -> None:
    """Replaces the functions of all optimizer classes that import `torch._dynamo`; their arithmetic stays.

    Does nothing in a process that has imported it already.
    """
    if "torch._dynamo" in sys.modules:
        return
    for name in _DISABLED:
        method: Any = inspect.unwrap(getattr(Optimizer, name))
        method.__dict__.setdefault("__dynamo_disable", method)
    for kind in _subclasses(Optimizer):
        step = vars(kind).get("step")
        if getattr(step, "__code__", None) is _IMPORTING.__code__:
            kind.step = _eager(step.__wrapped__)  # type: ignore[method-assign, union-attr]


def _eager(step: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps a step as torch does, without the breaks of the graph that only compilation needs."""

    @wraps(step)
    def eager(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        with torch.set_grad_enabled(self.defaults["differentiable"]):
            return step(self, *args, **kwargs)

    return eager


def _subclasses(kind: type[Optimizer]) -> Iterator[type[Optimizer]]:
    for child in kind.__subclasses__():
        yield child
        yield from _subclasses(child)


def _no_step() -> None: ...


_IMPORTING: Any = _use_grad_for_differentiable(_no_step)
"""An instance of torch's wrapper of steps, which shares its code with all others."""
