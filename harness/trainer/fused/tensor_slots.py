"""The places of a network's parameters and buffers, which can hold other tensors for a while."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, final

from torch import Tensor, nn


@final
class TensorSlots:
    """As `torch.func.functional_call`, for a network that is called many times: its modules are listed once.

    Args:
        network: a parameter that several of its modules share has one name, as in `named_parameters`.
    """

    def __init__(self, network: nn.Module) -> None:
        names = {id(tensor): name for name, tensor in network.named_parameters()}
        names |= {id(tensor): name for name, tensor in network.named_buffers()}
        own = [held for module in network.modules() for held in (module._parameters, module._buffers)]
        self._slots: list[tuple[dict[str, Any], str, str]] = [
            (held, key, names[id(tensor)])
            for held in own
            for key, tensor in held.items()
            if tensor is not None
        ]

    @contextmanager
    def filled(self, tensors: Mapping[str, Tensor]) -> Iterator[None]:
        """Within this context the network has these tensors, by name; others of them are left out."""
        before = [held[key] for held, key, _ in self._slots]
        try:
            for held, key, name in self._slots:
                held[key] = tensors[name]
            yield
        finally:
            for (held, key, _), tensor in zip(self._slots, before, strict=True):
                held[key] = tensor
