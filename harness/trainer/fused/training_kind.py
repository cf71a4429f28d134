"""What must be equal of trainings that are trained as one."""

from __future__ import annotations

import inspect
import re
from collections.abc import Hashable, Iterator
from functools import partial
from typing import Any

from torch import nn

from harness.core.arrays import Loaders
from harness.trainer.universal import UniversalTrainer

_OF_EVERY_MODULE = frozenset(vars(nn.Module())) - {"training"}
_DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
_PLACE_IN_MEMORY = re.compile(r" at 0x[0-9a-f]+")


def kind_of(model: nn.Module) -> Hashable:
    """What must be equal of networks that train together: their modules, settings and shapes.

    A model that looks at the training rows may have another shape in another fold. The shares of dropout may
    differ: the masks are drawn for each member. A module with a share of 0 may be skipped by the network.
    """
    tensors = [
        (name, tuple(t.shape), t.dtype, t.requires_grad)
        for name, t in [*model.named_parameters(), *model.named_buffers()]
    ]
    settings = [
        (name, type(module), tuple((key, _described(value)) for key, value in _settings(module)))
        for name, module in model.named_modules()
    ]
    return tuple(tensors), tuple(settings)


def training_kind(trainer: UniversalTrainer, loaders: Loaders) -> Hashable:
    """What must be equal of attached trainings that train together, apart from the rule `why_alone`.

    Rows, weights, random numbers, the numbers of optimizer and schedule, the share of dropout, and when a
    training ends are each member's own.
    """
    names = {id(parameter): name for name, parameter in trainer.network.named_parameters()}
    groups = tuple(
        tuple(names[id(parameter)] for parameter in group["params"])
        for group in trainer.optimizer.param_groups
    )
    targets = loaders.train.targets
    labels = None if targets is None else (tuple(targets.shape[1:]), targets.dtype)
    form = (loaders.shape, loaders.codes, loaders.task, labels)
    parts = (type(trainer), type(trainer.optimizer), trainer.autocast, trainer.device, trainer.members)
    return kind_of(trainer.network), groups, repr(form), parts


def _settings(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """What a module has beside its tensors and modules."""
    for key, value in vars(module).items():
        if key in _OF_EVERY_MODULE:
            continue
        yield key, value > 0 if key == "p" and isinstance(module, _DROPOUT) else value


def _described(value: Any) -> Hashable:
    """Equal for equal values; of an object that cannot be compared, equal for the same object only."""
    if isinstance(value, partial):
        return _described((value.func, value.args, value.keywords))
    if isinstance(value, dict):
        return tuple((repr(key), _described(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(_described, value))
    name = getattr(value, "__qualname__", "<")
    if "<" not in name and not inspect.ismethod(value):  # a function or a class, and no lambda
        return f"{getattr(value, '__module__', '')}.{name}"
    text = repr(value)
    return id(value) if _PLACE_IN_MEMORY.search(text) else f"{type(value).__qualname__} {text}"
