"""The best epoch so far, kept in memory on the device."""

from __future__ import annotations

import math
from typing import Any, final

import torch
from torch import Tensor, nn

from harness.scores import direction


@final
class Best:
    """Remembers the weights of the epoch whose monitored score was best.

    Where the score is absent (no valid part) the last epoch counts as the best. Of two equal epochs
    the later is kept, which has seen more steps at a lower rate; it does not count as an improvement
    for early stopping. A NaN score is never best.

    value         the best score so far, None before there is one
    epochs_since  how many epochs ago it last improved
    """

    def __init__(self, monitor: str, network: nn.Module) -> None:
        self._monitor = monitor
        self._sign = 1.0 if direction(monitor) == "maximize" else -1.0
        self._network = network
        self._weights: dict[str, Tensor] | None = None
        self.value: float | None = None
        self.epochs_since = 0

    def see(self, scores: dict[str, float]) -> bool:
        """Takes an epoch's scores; true if it is the best so far, and then copies the weights."""
        score = scores.get(self._monitor)
        if score is None:
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
    def _keep(self, weights: dict[str, Tensor]) -> None:
        if self._weights is None:
            self._weights = {name: tensor.clone() for name, tensor in weights.items()}
        else:
            for name, tensor in weights.items():
                self._weights[name].copy_(tensor)

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
                name: state["weights"][name].to(tensor.device, copy=True)
                for name, tensor in self._network.state_dict().items()
            }
