"""The best epoch so far, kept in memory on the device."""

from __future__ import annotations

import copy
from typing import Any, final

import torch
from torch import Tensor, nn

from harness.core.epoch_ranking import EpochRanking


@final
class Best:
    """Remembers the weights of the best epoch.

    Where the first score of the ranking is absent (no valid part) the last epoch counts as the best; its
    weights are kept too where `always` says so, because those that train on are others (an average).
    An epoch that is better only by a later score of the ranking, or equal, is no improvement for early
    stopping. A NaN score is never best.

    scores        of the best epoch so far that the ranking compares, {} before there is one
    epochs_since  how many epochs ago the first score last improved
    """

    def __init__(self, ranking: EpochRanking, network: nn.Module, always: bool = False) -> None:
        self._ranking = ranking
        self._always = always
        self._network = network
        self._weights: dict[str, Any] | None = None
        self.scores: dict[str, float] = {}
        self.epochs_since = 0

    def see(self, scores: dict[str, float]) -> bool:
        """Compares an epoch's scores; if they are the best so far, copies the weights and returns true."""
        if self._ranking.first not in scores:
            if self._always:
                self._keep(self._network.state_dict())
            return True
        rank, highest = self._ranking.rank(scores), self._ranking.rank(self.scores)
        improved = rank is not None and (highest is None or rank[0] > highest[0])
        self.epochs_since = 0 if improved else self.epochs_since + 1
        if rank is None or not (
            highest is None or rank > highest or (rank == highest and self._ranking.latest)
        ):
            return False
        self.scores = {name: scores[name] for name in self._ranking.names if name in scores}
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
        return {"scores": self.scores, "epochs_since": self.epochs_since, "weights": self._weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        # Checkpoints of earlier versions hold the one score that they compared, without its name.
        earlier = {} if state.get("value") is None else {self._ranking.first: state["value"]}
        self.scores = state.get("scores", earlier)
        self.epochs_since = state["epochs_since"]
        if state["weights"] is not None:
            self._weights = {
                name: state["weights"][name].to(own.device, copy=True)
                if isinstance(own, Tensor)
                else copy.deepcopy(state["weights"][name])
                for name, own in self._network.state_dict().items()
            }
