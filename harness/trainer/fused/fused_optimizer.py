"""The optimizer step of several members, in the library's own arithmetic."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any, final

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from harness.trainer.adam_kernel import AdamTensors, adam_tensors, call_kernel, has_kernel
from harness.trainer.fused.flat_members import FlatMembers, flat, split_like
from harness.trainer.universal import UniversalTrainer

OPTIMIZERS = (torch.optim.AdamW, torch.optim.Adam, torch.optim.SGD)
"""Those that have a step for many members. A subclass may compute something else, and has none."""

_SGD_MOMENTS = ("momentum_buffer",)
_ADAM_MOMENTS = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
_ADAM_SETTINGS = itemgetter(
    "lr", "weight_decay", "eps", "amsgrad", "maximize", "foreach", "fused", "decoupled_weight_decay"
)
_NOT_SETTINGS = ("params", "factor", "initial_lr")


@dataclass(frozen=True)
class _Row:
    """One group of one member: its optimizer and settings, its parameters, weights and moments (P,)."""

    optimizer: torch.optim.Optimizer
    group: dict[str, Any]
    parameters: Sequence[Tensor]
    weights: Tensor
    moments: dict[str, Tensor]

    @cached_property
    def alone(self) -> AdamTensors:
        """What a step of Adam changes; once all moments are kept."""
        return adam_tensors([self.weights], [self.moments])

    def keep(self, name: str, values: Tensor) -> None:
        """Keeps moments (P,), or a count of steps (), and gives the member's own optimizer views of them."""
        self.moments[name] = values
        views = split_like(self.parameters, values) if values.ndim else [values] * len(self.parameters)
        for parameter, view in zip(self.parameters, views, strict=True):
            self.optimizer.state[parameter][name] = view


@final
class FusedOptimizer:
    """One step for the rows of many members; those with equal settings are one call of torch's function.

    A row is changed as if it were alone, so that a member's weights do not depend on the others. The state
    of each member's own optimizer consists of views of its rows.

    Args:
        trainers: in the order of the members, each with its optimizer's state if it has one.
        members: whose rows are the parameters.
    """

    def __init__(self, trainers: Sequence[UniversalTrainer], members: FlatMembers) -> None:
        self._members = members
        self._sgd = type(trainers[0].optimizer) is torch.optim.SGD
        self._rows = [
            [self._row(trainer, number, members, k) for k, trainer in enumerate(trainers)]
            for number in range(len(members.rows))
        ]
        self._counts = [_joined_counts(rows) for rows in self._rows]
        for trainer in trainers:
            # torch's schedulers warn where the optimizer itself has taken no step.
            trainer.optimizer._opt_called = True  # type: ignore[attr-defined]

    def _row(self, trainer: UniversalTrainer, number: int, members: FlatMembers, k: int) -> _Row:
        """A member's row, with the moments that its optimizer has, or those of a first step."""
        known = dict(trainer.network.named_parameters())
        parameters = [known[name] for name in members.learned[number]]
        weights = members.rows[number][k]
        group = trainer.optimizer.param_groups[number]
        row = _Row(trainer.optimizer, group, parameters, weights, {})
        if not parameters:
            return row
        state = dict(trainer.optimizer.state.get(parameters[0], {}))
        for name in _SGD_MOMENTS if self._sgd else _ADAM_MOMENTS:
            if isinstance(state.get(name), Tensor):
                row.keep(name, flat([trainer.optimizer.state[p][name] for p in parameters]))
        if "step" in state:
            row.keep("step", state["step"].clone())
        elif not self._sgd:
            for name in _ADAM_MOMENTS[: 3 if group["amsgrad"] else 2]:
                row.keep(name, torch.zeros_like(weights))
            row.keep("step", torch.zeros((), dtype=torch.float32, device=weights.device))
        return row

    @torch.no_grad()
    def step(self, numbers: Sequence[int], gradients: Sequence[Sequence[Tensor]]) -> None:
        """Changes the weights of some members.

        Args:
            numbers: of the members.
            gradients: of each group of parameters, a row (P,) for each of these members.
        """
        self._members.gather()
        for rows, counts, given in zip(self._rows, self._counts, gradients, strict=True):
            equal: dict[Hashable, tuple[list[_Row], list[Tensor]]] = {}
            for number, gradient in zip(numbers, given, strict=True):
                row = rows[number]
                if row.parameters:
                    key = (
                        (bool(row.moments), _sgd_settings(row.group))
                        if self._sgd
                        else _adam_settings(row.group)
                    )
                    same = equal.setdefault(key, ([], []))
                    same[0].append(row)
                    same[1].append(gradient)
            if self._sgd:
                for together, own in equal.values():
                    self._descend(together, own, together[0].group)
            else:
                self._adapt_all(list(equal.values()), counts)
        self._members.scatter()

    def _adapt_all(self, equal: Sequence[tuple[list[_Row], list[Tensor]]], counts: Tensor | None) -> None:
        """One call for each list of rows with equal settings, and one for all counts of steps.

        torch's own function takes longer to find its kernel than the kernel takes for a small network, and
        members with rates of their own need a call each.

        Args:
            counts: of the steps of all members, see `_joined_counts`.
        """
        quick = [(rows, own) for rows, own in equal if has_kernel(rows[0].group)]
        taking = [row for rows, _ in quick for row in rows]
        if counts is not None and len(taking) == len(counts):
            counts.add_(1)
        elif taking:
            torch._foreach_add_([row.moments["step"] for row in taking], 1)
        for rows, gradients in quick:
            call_kernel(rows[0].group, rows[0].alone if len(rows) == 1 else _tensors_of(rows), gradients)
        for rows, gradients in equal if len(quick) < len(equal) else ():
            if not has_kernel(rows[0].group):
                self._adapt(rows, gradients, rows[0].group)

    def _adapt(self, rows: list[_Row], gradients: list[Tensor], group: dict[str, Any]) -> None:
        adam(
            [row.weights for row in rows],
            gradients,
            [row.moments["exp_avg"] for row in rows],
            [row.moments["exp_avg_sq"] for row in rows],
            [row.moments["max_exp_avg_sq"] for row in rows] if group["amsgrad"] else [],
            [row.moments["step"] for row in rows],
            foreach=group["foreach"],
            fused=group["fused"],
            decoupled_weight_decay=group["decoupled_weight_decay"],
            amsgrad=group["amsgrad"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=group["maximize"],
        )

    def _descend(self, rows: list[_Row], gradients: list[Tensor], group: dict[str, Any]) -> None:
        moments = [row.moments.get("momentum_buffer") for row in rows]
        sgd(
            [row.weights for row in rows],
            gradients,
            moments,
            foreach=group["foreach"],
            fused=group["fused"],
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            lr=group["lr"],
            dampening=group["dampening"],
            nesterov=group["nesterov"],
            maximize=group["maximize"],
        )
        for row, moment in zip(rows, moments, strict=True):
            if moment is not None and not row.moments:
                row.keep("momentum_buffer", moment)  # torch makes it in the first step


def _tensors_of(rows: Sequence[_Row]) -> AdamTensors:
    return adam_tensors([row.weights for row in rows], [row.moments for row in rows])


def _joined_counts(rows: Sequence[_Row]) -> Tensor | None:
    """The counts of steps (K,) of all members, which become views of it; None where not each has one."""
    own = [row.moments["step"] for row in rows if "step" in row.moments]
    if not own or len(own) < len(rows):
        return None
    counts = torch.stack(own)
    for row, count in zip(rows, counts.unbind(0), strict=True):
        row.keep("step", count)
    return counts


def _sgd_settings(group: dict[str, Any]) -> Hashable:
    """The settings of a group, by which rows share a call."""
    return tuple(
        (name, tuple(value) if isinstance(value, list) else value)
        for name, value in group.items()
        if name not in _NOT_SETTINGS
    )


def _adam_settings(group: dict[str, Any]) -> Hashable:
    """As `_sgd_settings`, but the names are known, which is quicker: each step asks for each member."""
    return (*_ADAM_SETTINGS(group), *group["betas"])
