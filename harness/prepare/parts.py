"""Parts: the objects that a configuration names, each built when it is first used."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from harness.config.instantiate import build, own, target
from harness.core.code_columns import argument
from harness.core.errors import UserError, refused
from harness.core.protocol import Augment, Evaluator, Extractor, Load, Splitter, Transform
from harness.runtime.config_nodes import container
from harness.trainer.universal import UniversalTrainer


class Parts:
    """The parts of one configuration.

    A part that keeps nothing between two calls is built once and serves every fold: extract, split, load,
    augment, evaluate, tracking. It is built under the run's seed and leaves the random generators as they
    were, so a fold's random numbers do not depend on which folds came before it.

    A part that is fitted or trained is built once for each fold, since it must not remember another fold:
    transform, trainer, model. They are built again rather than copied, because a constructor may draw random
    weights, which belong to the fold's seed, and because not every object can be copied. A transform that
    looks at the rows before the split (`arrange`, `settings_for`) is built once more for that.
    """

    def __init__(self, cfg: DictConfig) -> None:
        self.cfg = cfg
        self._built: dict[str, tuple[Any, Any]] = {}

    def with_config(self, cfg: DictConfig) -> Parts:
        """The parts of another configuration; those whose settings are equal are kept."""
        parts = Parts(cfg)
        parts._built.update(self._built)
        return parts

    @property
    def extract(self) -> Extractor:
        """The source of the rows."""
        extractor: Extractor = self._shared("data.extract")
        return extractor

    @property
    def split(self) -> Splitter:
        """The split, built from its own arguments; `guard`, `labelled` and the like are for every split."""
        splitter: Splitter = self._shared("split")
        return splitter

    @property
    def load(self) -> Load:
        load: Load = self._shared("data.load")
        return load

    @property
    def augment(self) -> Augment:
        augment: Augment = self._shared("data.augment")
        return augment

    @property
    def evaluate(self) -> Evaluator:
        evaluator: Evaluator = self._shared("evaluate")
        return evaluator

    @property
    def tracking(self) -> Any:
        return self._shared("tracking")

    def transform_method(self, name: str) -> Callable[..., Any] | None:
        """An optional method of the transform, see `harness.core.protocol.Transform`; None where it has none.

        Looks at the class, so that a transform without it is not built. A function that makes a transform
        says nothing about its result, and is called.
        """
        maker = target(self.cfg.data.transform, "data.transform")
        if inspect.isclass(maker) and not hasattr(maker, name):
            return None
        method: Callable[..., Any] | None = getattr(self._shared("data.transform"), name, None)
        return method

    def new_transform(self) -> Transform:
        """An unfitted transform."""
        transform: Transform = build(self.node("data.transform"), "data.transform")
        return transform

    def new_trainer(self) -> UniversalTrainer:
        """An untrained trainer; its loss and method may draw random weights."""
        trainer: UniversalTrainer = build(self.cfg.trainer, "trainer")
        return trainer

    def new_model(
        self, shape: tuple[int, ...], weights: Path | None = None, codes: Sequence[int] = ()
    ) -> nn.Module:
        """The model for samples of this shape.

        Args:
            codes: as those of `Arrays`.
            weights: the file of its initial weights; None: what `model.weights` says itself.

        Raises:
            UserError: it refuses the shape, the codes or the weights, or lacks an argument.
        """
        node = self.cfg.model
        return new_model(node if weights is None else {**node, "weights": str(weights)}, shape, codes)

    def new_untrained_model(self, shape: tuple[int, ...], codes: Sequence[int] = ()) -> nn.Module:
        """The same with random weights, whatever `model.weights` says."""
        node = self.cfg.model
        return new_model({**node, "weights": None} if "weights" in node else node, shape, codes)

    def node(self, key: str) -> dict[str, Any]:
        """The arguments of the part at `key`, as plain values."""
        return own(plain(OmegaConf.select(self.cfg, key)), key)

    def _shared(self, key: str) -> Any:
        # Compared by value: a configuration may be changed, and a part must never outlive its settings.
        settings = (self.node(key), self.cfg.seed)
        known, part = self._built.get(key, (None, None))
        if known != settings:
            part = _built_by_seed(*settings, key)
            self._built[key] = settings, part
        return part


_MOST_DRAWLESS = 256
_drawless: set[str] = set()
"""Settings with which parts of harness were built before, and drew no random numbers."""


def _built_by_seed(node: dict[str, Any], seed: int, key: str) -> Any:
    """Builds a part whose random numbers follow from `seed` alone.

    Storing and restoring the states of all generators takes longer than building most parts: it is left out
    where a part of ours has drawn nothing with these settings.
    """
    settings = f"{key} {seed} {node!r}"
    if settings in _drawless:
        return build(node, key)
    with _own_random_numbers(seed) as untouched:
        part = build(node, key)
        if _all_ours(node) and untouched():
            if len(_drawless) >= _MOST_DRAWLESS:
                _drawless.clear()
            _drawless.add(settings)
    return part


def _all_ours(content: Any) -> bool:
    """Whether a node consists of plain values, and names nothing but classes and functions of harness."""
    if isinstance(content, dict):
        ours = str(content.get("_target_", "harness.")).startswith("harness.")
        return ours and all(map(_all_ours, content.values()))
    if isinstance(content, list):
        return all(map(_all_ours, content))
    return content is None or isinstance(content, str | bool | int | float)


@contextmanager
def _own_random_numbers(seed: int) -> Iterator[Callable[[], bool]]:
    """Within it, the generators of the CPU follow from `seed`; afterwards their state is restored.

    Gives a function that returns whether nothing has been drawn yet.
    """
    before = _states()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)
    seeded = _states()
    try:
        yield lambda: _equal(_states(), seeded)
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])


_States = tuple[tuple[Any, ...], dict[str, Any], torch.Tensor]


def _states() -> _States:
    """Of Python, NumPy and torch."""
    return random.getstate(), np.random.get_state(legacy=False), torch.get_rng_state()


def _equal(one: _States, other: _States) -> bool:
    # The state of NumPy's generator is an array, and where in it the next number is.
    in_numpy = [{**states[1], "state": {**states[1]["state"]}} for states in (one, other)]
    keys = [states["state"].pop("key") for states in in_numpy]
    return (
        one[0] == other[0]
        and in_numpy[0] == in_numpy[1]
        and np.array_equal(*keys)
        and torch.equal(one[2], other[2])
    )


def new_model(
    node: Mapping[str, Any] | DictConfig, shape: tuple[int, ...], codes: Sequence[int] = ()
) -> nn.Module:
    """The model that a node describes, for samples of this shape.

    Args:
        codes: as those of `Arrays`.

    Raises:
        UserError: it refuses the shape or the codes, or lacks an argument.
    """
    describe = build(node, "model")
    given = argument(codes)
    try:
        inspect.signature(describe).bind(shape, **given)
        model: nn.Module = describe(shape, **given)
    except (TypeError, ValueError) as error:
        raise UserError(refused("model", error)) from error
    return model


def plain(node: DictConfig) -> dict[str, Any]:
    """A node as plain dicts and lists, its references resolved."""
    content: Any = container(node, resolve=True)
    return dict(content)
