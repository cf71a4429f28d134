"""Selects the rows that an evaluation uses: the labelled rows of one part, in float64."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from functools import cache
from inspect import signature
from typing import NamedTuple

import torch
from torch import Tensor

from harness.core.arrays import Loader, Loaders
from harness.core.errors import UserError
from harness.core.predictor import Predictor
from harness.core.protocol import Evaluator


def exact(values: Tensor) -> Tensor:
    """Returns `values` as float64, on their device, or on the CPU if the device has no float64 (mps)."""
    return (values.cpu() if values.device.type == "mps" else values).double()


def loader_of(loaders: Loaders, part: str) -> Loader:
    """Returns the loader of the part "train", "valid" or "test".

    Raises:
        UserError: the part has no rows.
    """
    loader: Loader | None = getattr(loaders, part)
    if loader is None:
        raise UserError(
            f"scores of the {part} part need rows, and this split gives it none", f"raise split.{part}"
        )
    return loader


def known(targets: Tensor) -> Tensor:
    """Returns (n,) bool: the rows whose target is known, or all of several targets (n, T).

    An unknown class is -1, an unknown number or label NaN.
    """
    if targets.is_floating_point():
        return ~targets.isnan() if targets.ndim == 1 else ~targets.isnan().any(dim=1)
    return targets >= 0


class Answers(NamedTuple):
    """What a network answers for the labelled rows of its validation part, and how that is scored.

    outputs  (n,) or (n, C)
    targets  (n,) or (n, T)
    loss     `{"loss": scalar}`, or {}, see `mean_loss`
    scored   (outputs, targets) -> scalars by name; or with both of K networks, (K, n, …), (K,) of each score,
             with the bits that each network has alone
    kind     equal for answers that are scored by the same function
    """

    outputs: Tensor
    targets: Tensor
    loss: dict[str, Tensor]
    scored: Callable[[Tensor, Tensor], dict[str, Tensor]]
    kind: Hashable

    @torch.inference_mode()
    def scores(self) -> dict[str, float]:
        """The scores of this network by name."""
        return to_floats(self.loss | self.scored(self.outputs, self.targets))


@torch.inference_mode()
def scores_of(answered: Sequence[Answers]) -> list[dict[str, float]]:
    """The scores of each network by name; those with answers of one form are scored together."""
    alike: dict[Hashable, list[int]] = {}
    for place, one in enumerate(answered):
        form = (one.outputs.shape, one.targets.shape, one.outputs.dtype, one.outputs.device, *one.loss)
        alike.setdefault((one.kind, form), []).append(place)
    found: dict[int, dict[str, float]] = {}
    for places in alike.values():
        same = [answered[place] for place in places]
        if len(same) == 1:
            found[places[0]] = same[0].scores()
            continue
        values = {name: torch.stack([one.loss[name] for one in same]) for name in same[0].loss}
        outputs = torch.stack([one.outputs for one in same])
        targets = torch.stack([one.targets for one in same])
        values |= same[0].scored(outputs, targets)
        numbers = torch.stack(list(values.values()), dim=1).tolist() if values else [[] for _ in same]
        for place, own in zip(places, numbers, strict=True):
            found[place] = dict(zip(values, own, strict=True))
    return [found[place] for place in range(len(answered))]


def answers(predictor: Predictor, loader: Loader, choice: str) -> tuple[Tensor, Tensor]:
    """Returns the outputs, (n,) or (n, C), and targets, (n,) or (n, T), of the labelled rows of a part.

    `choice` is the name of the evaluation, for the messages.

    Raises:
        UserError: the data set has no target, or the trainer learned no outputs.
    """
    targets = loader.targets
    if targets is None:
        raise UserError(
            f"evaluate={choice} compares outputs with targets, and the data set has no target column",
            "name it with data.extract.target=COLUMN, or use evaluate=representation",
        )
    outputs = predictor.gather(loader).outputs
    if outputs is None:
        raise UserError(
            f"evaluate={choice} needs the outputs of a head, and this trainer learns a representation alone",
            "use evaluate=representation",
        )
    rows = known(targets)
    if rows.all():  # a copy, as below: a metric of the user's may change what it gets
        return outputs.clone(), targets.clone()
    return outputs[rows], targets[rows]


def selected(values: Mapping[str, Callable[[], Tensor]], names: Collection[str] | None) -> dict[str, Tensor]:
    """Computes those of the values that are named; None: all."""
    return {name: value() for name, value in values.items() if names is None or name in names}


@torch.inference_mode()
def mean_loss(predictor: Predictor, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Returns `loss` as the trainer defines it; {} if it defines none or no row is labelled."""
    if predictor.loss is None or len(targets) == 0:
        return {}
    return {"loss": exact(predictor.loss(outputs, targets))}


def to_floats(values: dict[str, Tensor]) -> dict[str, float]:
    """Converts scalars on the device to numbers, in one transfer."""
    if not values:
        return {}
    return dict(zip(values, torch.stack(list(values.values())).tolist(), strict=True))


def validated(
    evaluator: Evaluator, predictor: Predictor, loaders: Loaders, names: Collection[str] | None
) -> dict[str, float]:
    """The named scores of the valid part; None: all, and so where the evaluator does not know names."""
    validate: Callable[..., dict[str, float]] = evaluator.validate
    if names is None or not _takes_names(type(evaluator), "validate"):
        return validate(predictor, loaders)
    return validate(predictor, loaders, names=names)


def pooled(
    evaluator: Evaluator, outputs: Tensor, targets: Tensor, *, names: Collection[str] | None = None
) -> dict[str, float]:
    """The named scores of predictions, by an evaluator with `pool`; all as `validated` says."""
    pool: Callable[..., dict[str, float]] = evaluator.pool  # type: ignore[attr-defined]  # not every one has it
    if names is None or not _takes_names(type(evaluator), "pool"):
        return pool(outputs, targets)
    return pool(outputs, targets, names=names)


@cache
def _takes_names(kind: type, name: str) -> bool:
    method = getattr(kind, name, None)
    return method is not None and "names" in signature(method).parameters
