"""The callbacks that a configuration names, built."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf

from harness.callbacks.run_callbacks import Callback
from harness.config.callback_settings import callback_node
from harness.config.instantiate import build
from harness.core.errors import UserError
from harness.runtime.config_nodes import container
from harness.runtime.distributed import rank


def build_callbacks(cfg: DictConfig) -> list[Callback]:
    """In the order of the configuration; under torchrun only rank 0 has them.

    Raises:
        UserError: one cannot be built, or is not callable.
    """
    nodes: Any = container(cfg.get("callbacks") or OmegaConf.create({}), resolve=True)
    callbacks = []
    for name, node in nodes.items() if rank() == 0 else ():
        part = build(callback_node(node), f"callbacks.{name}")
        if not callable(part):
            raise UserError(
                f"callbacks.{name} must be callable as (fold, progress), got {type(part).__name__}",
                "give it a method __call__; a function needs _partial_: true",
                key=f"callbacks.{name}",
            )
        callbacks.append(Callback(name, part, node.get("on_error", "warn")))
    return callbacks
