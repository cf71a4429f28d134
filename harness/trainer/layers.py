"""Freezing, learning rates by layer, and groups of the optimizer's parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple, final

import torch
from torch import nn

from harness.core.errors import UserError
from harness.runtime.eager_optimizers import skip_dynamo

_LISTS = (nn.Sequential, nn.ModuleList)


class Layer(NamedTuple):
    """A layer of a model: modules, and parameters outside of modules."""

    modules: list[nn.Module]
    alone: list[nn.Parameter]

    @property
    def parameters(self) -> list[nn.Parameter]:
        return [*self.alone, *(p for module in self.modules for p in module.parameters())]


def layers_of(model: nn.Module) -> list[Layer]:
    """The layers of a model, the lowest first.

    They are the model's children that have parameters, in the order in which they were registered. A list
    of modules (Sequential, ModuleList) is opened, and so is a child that holds such a list, and a model's
    only child. What has vectors alone, such as a norm, goes with the layer before it; a parameter that is
    the model's own, such as the token of a class, with the lowest.
    """
    alone: list[nn.Parameter] = []
    layers: list[Layer] = []
    for module in _opened(model, alone):
        if layers and all(parameter.ndim <= 1 for parameter in module.parameters()):
            layers[-1].modules.append(module)
        else:
            layers.append(Layer([module], []))
    if alone:
        layers = layers or [Layer([], [])]
        layers[0].alone.extend(alone)
    return layers


def _opened(model: nn.Module, alone: list[nn.Parameter]) -> Iterator[nn.Module]:
    """The modules that `layers_of` puts together; parameters of opened modules' own go to `alone`."""
    children = _children(model, alone)
    while len(children) == 1 and _children(children[0], []):
        children = _children(children[0], alone)
    for child in children:
        if isinstance(child, _LISTS):
            yield from _children(child, alone)
        elif any(isinstance(inner, _LISTS) for inner in child.children()) and len(children) > 1:
            for inner in _children(child, alone):
                yield from _children(inner, alone) if isinstance(inner, _LISTS) else [inner]
        else:
            yield child


def _children(module: nn.Module, alone: list[nn.Parameter]) -> list[nn.Module]:
    alone.extend(module.parameters(recurse=False))
    return [child for child in module.children() if next(child.parameters(), None) is not None]


@final
class Layers:
    """Puts the parameters of a network into the optimizer's groups, and freezes what must not learn.

    What does not learn is in evaluation mode, so that the statistics of a batch normalisation do not move
    either.

    Args:
        freeze: how many of the model's lowest layers do not learn, see `layers_of`; "model": all of it, so
            that the head alone does, a linear probe.
        head_first: epochs in which only what is above the model learns, before the model does as well
            (arXiv 2202.10054, section 3.4).
        decay: the rate of a layer as a share of that of the layer above; the head is above all (arXiv
            1801.06146, section 3.2; 2003.10555, appendix A).
        decay_all: whether weight decay takes norms and biases, the parameters of one dimension, too.

    Raises:
        ValueError: a value is out of range.
    """

    def __init__(
        self, *, freeze: int | Literal["model"], head_first: int, decay: float, decay_all: bool
    ) -> None:
        if not isinstance(freeze, str) and freeze < 0:
            raise ValueError(f"freeze must be 0 or more layers, or model, got {freeze}")
        if head_first < 0:
            raise ValueError(f"head_first must be 0 or more epochs, got {head_first}")
        if not 0 < decay <= 1:
            raise ValueError(f"decay must be above 0 and at most 1, got {decay}")
        self.freeze = freeze
        self.head_first = head_first
        self.decay = decay
        self.decay_all = decay_all
        self._frozen: list[nn.Module] = []
        self._learned: list[nn.Parameter] = []

    def check(self, model: nn.Module) -> None:
        """Raises UserError where the model has fewer layers than are to be frozen."""
        count = len(layers_of(model))
        if not isinstance(self.freeze, str) and self.freeze > count:
            raise UserError(
                f"trainer.layers.freeze={self.freeze} is more than the {count} layers of this "
                f"{type(model).__name__}",
                f"give at most {count}, or trainer.layers.freeze=model for all of it",
                key="trainer.layers.freeze",
            )

    def groups(self, model: nn.Module, others: nn.Module) -> list[dict[str, Any]]:
        """Groups for an optimizer, each with "params" and "factor" (of the learning rate).

        Norms and biases have "weight_decay" 0.0, unless `decay_all`. Frozen parameters are in none; they
        ask for no gradient from now on.
        """
        layers = layers_of(model)
        frozen = layers if self.freeze == "model" else layers[: int(self.freeze)]
        for layer in frozen:
            for parameter in layer.parameters:
                parameter.requires_grad_(False)
        # A model that is not trained at all is in evaluation mode as a whole, dropout included.
        whole = len(frozen) == len(layers) and bool(frozen)
        self._frozen = [model] if whole else [module for layer in frozen for module in layer.modules]
        self._learned = _learning(model.parameters())
        if self.decay == 1:
            return self._pair(self._learned + _learning(others.parameters()), 1.0)
        groups = self._pair(_learning(others.parameters()), 1.0)
        assigned: set[nn.Parameter] = set()
        for depth, layer in enumerate(reversed(layers), start=1):
            own = [parameter for parameter in _learning(layer.parameters) if parameter not in assigned]
            groups += self._pair(own, self.decay**depth)
            assigned.update(own)  # a weight that two layers share learns with the upper one
        return groups

    def _pair(self, parameters: list[nn.Parameter], factor: float) -> list[dict[str, Any]]:
        """One group, or two where some parameters are not to decay; none without parameters."""
        decayed = [p for p in parameters if p.ndim > 1 or self.decay_all]
        spared = [p for p in parameters if p.ndim <= 1 and not self.decay_all]
        groups: list[dict[str, Any]] = []
        if decayed:
            groups.append({"params": decayed, "factor": factor})
        if spared:
            groups.append({"params": spared, "factor": factor, "weight_decay": 0.0})
        return groups

    def begin(self, epoch: int, model: nn.Module) -> bool:
        """Sets what learns in this epoch, 1 for the first; true where that changed.

        To be called with the model in training mode.
        """
        waiting = epoch <= self.head_first
        changed = any(parameter.requires_grad == waiting for parameter in self._learned)
        for parameter in self._learned:
            parameter.requires_grad_(not waiting)
        for module in [model] if waiting else self._frozen:
            module.eval()
        return changed


def _learning(parameters: Any) -> list[nn.Parameter]:
    return [parameter for parameter in parameters if parameter.requires_grad]


def new_optimizer(
    new: Callable[..., torch.optim.Optimizer], groups: list[dict[str, Any]]
) -> torch.optim.Optimizer:
    """The optimizer of these groups, each at its own share of the learning rate."""
    skip_dynamo()
    optimizer = new(merged(groups, new))
    for group in optimizer.param_groups:
        group["lr"] *= group.get("factor", 1.0)
    return optimizer


def merged(groups: list[dict[str, Any]], optimizer: Callable[..., Any]) -> list[dict[str, Any]]:
    """The groups, those that differ in weight decay alone as one where the optimizer has none."""
    if getattr(optimizer, "keywords", {}).get("weight_decay") != 0:
        return groups
    by_rate: dict[float, list[nn.Parameter]] = {}
    for group in groups:
        by_rate.setdefault(group["factor"], []).extend(group["params"])
    return [{"params": parameters, "factor": factor} for factor, parameters in by_rate.items()]
