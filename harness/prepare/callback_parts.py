"""The callbacks that a configuration names, built."""

from __future__ import annotations

import inspect
from typing import Any

from omegaconf import DictConfig, OmegaConf

from harness.callbacks.run_callbacks import Callback
from harness.config.instantiate import build, built_callback
from harness.core.errors import UserError
from harness.runtime.config_nodes import container
from harness.runtime.process_group import rank

_CALLS = {
    "__call__": ("fold", "progress"),
    "run_started": ("log",),
    "fold_started": ("fold",),
    "fold_done": ("fold", "scores"),
    "run_done": ("scores",),
}
"""What each method of a callback is called with; only `__call__` must be there."""


def build_callbacks(cfg: DictConfig) -> list[Callback]:
    """In the order of the configuration; under torchrun only rank 0 has them.

    Raises:
        UserError: one cannot be built, is not callable, or does not take what it is called with.
    """
    nodes: Any = container(cfg.get("callbacks") or OmegaConf.create({}), resolve=True)
    callbacks = []
    for name, node in nodes.items() if rank() == 0 else ():
        part = build(built_callback(node, name), f"callbacks.{name}")
        if not callable(part):
            raise UserError(
                f"callbacks.{name} must be callable as (fold, progress), got {type(part).__name__}",
                "give it a method __call__",
                key=f"callbacks.{name}",
            )
        _check_calls(part, f"callbacks.{name}")
        callbacks.append(Callback(name, part, node.get("on_error", "warn")))
    return callbacks


def _check_calls(part: Any, key: str) -> None:
    """Whether each method takes what it will be called with; one without a readable signature counts as such.

    Raises:
        UserError: the first that does not.
    """
    for name, arguments in _CALLS.items():
        method = part if name == "__call__" else getattr(part, name, None)
        if method is None:
            continue
        wanted = f"{key}{'' if name == '__call__' else f'.{name}'}"
        try:
            signature = inspect.signature(method)
        except (TypeError, ValueError):  # no function, or one that is written in C
            if not callable(method):
                raise UserError(
                    f"{wanted} must be callable as ({', '.join(arguments)}), got {type(method).__name__}",
                    "make it a method, or give it another name",
                    key=key,
                ) from None
            continue
        try:
            signature.bind(*arguments)
        except TypeError:
            raise UserError(
                f"{wanted} must be callable as ({', '.join(arguments)}), and its signature is {signature}",
                "change its arguments",
                key=key,
            ) from None
