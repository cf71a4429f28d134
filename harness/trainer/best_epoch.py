"""The best epoch so far, kept in memory on the device."""

from __future__ import annotations

import copy
import math
from typing import Any, final

import torch
from torch import Tensor, nn

from harness.core.scores import Direction, direction


@final
class Best:
    """Remembers the weights of the epoch whose monitored score was best.

    Where the score is absent (no valid part) the last epoch counts as the best; its weights are kept too
    where `always` says so, because those that train on are others (an average). Of two equal epochs
    the later is kept, which has seen more steps at a lower rate; it does not count as an improvement
    for early stopping. A NaN score is never best.

    `better` says whether the score is better high or low; None: that follows from its name.

    value         the best score so far, None before there is one
    epochs_since  how many epochs ago it last improved
    """

    def __init__(
        self, monitor: str, network: nn.Module, always: bool = False, better: Direction | None = None
    ) -> None:
        self._monitor = monitor
        self._always = always
        self._sign = 1.0 if (better or direction(monitor)) == "maximize" else -1.0
        self._network = network
        self._weights: dict[str, Any] | None = None
        self.value: float | None = None
        self.epochs_since = 0

    def see(self, scores: dict[str, float]) -> bool:
        """Compares an epoch's scores; if they are the best so far, copies the weights and returns true."""
        score = scores.get(self._monitor)
        if score is None:
            if self._always:
                self._keep(self._network.state_dict())
            return True
        gain = math.inf if self.value is None else self._sign * (score - self.value)
        improved = gain > 0 and not math.isnan(score)
        self.epochs_since = 0 if improved else self.epochs_since + 1
        if not improved and score != self.value:
            return False
        self.value = score
        self._keep(self._network.state_dict())
        return True

    @torch.no_grad()
    def _keep(self, weights: dict[str, Any]) -> None:
        kept = self._weights or {}
        for name, value in weights.items():
            if not isinstance(value, Tensor):  # a module's extra state may be anything
                kept[name] = copy.deepcopy(value)
            elif name in kept:
                kept[name].copy_(value)
            else:
                kept[name] = value.clone()
        self._weights = kept

    def restore(self) -> None:
        """Puts the best weights back into the network."""
        if self._weights is not None:
            self._network.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        return {"value": self.value, "epochs_since": self.epochs_since, "weights": self._weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.value = state["value"]
        self.epochs_since = state["epochs_since"]
        if state["weights"] is not None:
            self._weights = {
                name: state["weights"][name].to(own.device, copy=True)
                if isinstance(own, Tensor)
                else copy.deepcopy(state["weights"][name])
                for name, own in self._network.state_dict().items()
            }
