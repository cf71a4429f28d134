"""Puts modules into training or evaluation mode, without torch's checks: each epoch of a small network does.

`nn.Module.train` sets an attribute of each module by way of `nn.Module.__setattr__`, which looks for
parameters first. For a small network that takes as long as a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from torch import nn


def set_training(part: nn.Module, training: bool, modules: Sequence[nn.Module] | None = None) -> None:
    """What `part.train()` or `part.eval()` does.

    Args:
        modules: all modules of `part`, itself included, where they are known.
    """
    own = modules_of(part) if modules is None else modules
    if not _are_plain(own):
        # A method of its own may do more, such as leave a frozen part as it is.
        _ = part.train() if training else part.eval()
        return
    for module in own:
        vars(module)["training"] = training


def modules_of(part: nn.Module) -> list[nn.Module]:
    """Those of `part.modules()`, in any order, in a quarter of its time."""
    found: dict[nn.Module, None] = {}
    waiting: list[nn.Module | None] = [part]
    while waiting:
        module = waiting.pop()
        if module is not None and module not in found:
            found[module] = None
            waiting += module._modules.values()
    return list(found)


def set_modes(modules: Sequence[nn.Module], training: bool) -> None:
    """What `module.training = training` does for each of them: those below it stay as they are."""
    if _are_plain(modules):
        for module in modules:
            vars(module)["training"] = training
        return
    for module in modules:
        module.training = training


def _are_plain(modules: Sequence[nn.Module]) -> bool:
    """Whether all of them keep torch's way to change and to store the mode of a module."""
    return all(map(_is_plain_class, set(map(type, modules))))


@cache
def _is_plain_class(kind: type) -> bool:
    own = (getattr(kind, name) is getattr(nn.Module, name) for name in ("train", "eval", "__setattr__"))
    return all(own) and not isinstance(getattr(kind, "training", None), property)
