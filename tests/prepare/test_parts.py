"""How often each part of a run is built, and that a part never outlives its settings."""

from __future__ import annotations

import functools
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from harness.config.compose import compose
from harness.config.instantiate import check, target
from harness.prepare import plan as plan_module
from harness.prepare.parts import Parts
from harness.prepare.plan import make_plan
from harness.run import run

pytestmark = pytest.mark.slow

IRIS = ["data/extract=iris", "model.widths=[8]", "trainer.device=cpu", "trainer.epochs=1", "tracking=none"]
DIGITS = ["data/extract=digits", "model=convnet", "model.widths=[2]", *IRIS[2:]]
"""Images, whose transform arranges rows before the split."""

PARTS = {
    "extract": "data.extract",
    "split": "split",
    "transform": "data.transform",
    "load": "data.load",
    "augment": "data.augment",
    "model": "model",
    "trainer": "trainer",
    "evaluate": "evaluate",
    "tracking": "tracking",
}
SHARED = {"extract": 1, "split": 1, "load": 1, "augment": 1, "evaluate": 1, "tracking": 1}


class Drawing:
    """A part whose constructor draws random numbers."""

    names = ()

    def __init__(self) -> None:
        self.drawn = float(torch.rand(())), float(np.random.random())


@pytest.fixture
def constructions(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the class of each part was constructed, counted from the first `count_classes` on."""
    return Counter()


def count_classes(cfg: DictConfig, counts: Counter[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, key in PARTS.items():
        node = OmegaConf.select(cfg, key)
        if node.get("_auto_"):
            node = {"_target_": "harness.evaluate.classification.Classification"}
        cls: Any = target(node, key)
        monkeypatch.setattr(cls, "__init__", counted(cls.__init__, name, counts))


def counted(original: Any, name: str, counts: Counter[str]) -> Any:
    @functools.wraps(original)
    def constructed(*args: Any, **kwargs: Any) -> None:
        counts[name] += 1
        original(*args, **kwargs)

    return constructed


@pytest.mark.parametrize(
    ("words", "fitted"),
    [
        (IRIS, {"transform": 1, "trainer": 1, "model": 1}),
        ([*IRIS, "split=kfold", "split.folds=3"], {"transform": 3, "trainer": 3, "model": 3}),
        # One more transform, which arranges the rows before the split.
        (DIGITS, {"transform": 2, "trainer": 1, "model": 1}),
        ([*DIGITS, "split=kfold", "split.folds=3"], {"transform": 4, "trainer": 3, "model": 3}),
    ],
    ids=["1 fold", "3 folds", "images, 1 fold", "images, 3 folds"],
)
def test_a_run_builds_shared_parts_once_and_fitted_parts_once_for_each_fold(
    words: list[str],
    fitted: dict[str, int],
    constructions: Counter[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cfg = compose([*words, "data.cache=off", "report=false"])
    count_classes(cfg, constructions, monkeypatch)
    run(cfg, tmp_path)
    assert dict(constructions) == SHARED | fitted


def test_a_plan_checks_the_whole_configuration_once(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[DictConfig] = []

    def recorded(cfg: DictConfig) -> None:
        checked.append(cfg)
        check(cfg)

    monkeypatch.setattr(plan_module, "check", recorded)
    monkeypatch.setattr("harness.config.finish_config.check", recorded, raising=False)
    make_plan(compose([*IRIS, "data.cache=off"]))
    assert len(checked) == 1


def test_a_part_is_kept_while_its_settings_are_equal_and_built_again_when_they_change() -> None:
    parts = Parts(compose(IRIS))
    load, split = parts.load, parts.split
    assert parts.load is load
    other = parts.cfg.copy()
    other.data.load.batch_size = 7
    changed = parts.with_config(other)
    assert changed.split is split
    assert changed.load is not load
    assert parts.load is load
    parts.cfg.data.load.batch_size = 9
    assert parts.load is not load


def test_a_shared_part_draws_from_the_seed_alone_and_leaves_the_generators_as_they_were() -> None:
    cfg = compose(IRIS)

    def drawn(seed: int) -> tuple[float, float]:
        cfg.seed = seed
        OmegaConf.update(cfg, "evaluate", {"_target_": f"{__name__}.Drawing"}, merge=False)
        before = torch.get_rng_state(), np.random.get_state(legacy=False)["state"]["key"].copy()
        evaluator: Any = Parts(cfg).evaluate
        assert torch.equal(torch.get_rng_state(), before[0])
        assert np.array_equal(np.random.get_state(legacy=False)["state"]["key"], before[1])
        values: tuple[float, float] = evaluator.drawn
        return values

    assert drawn(0) == drawn(0)
    assert drawn(0)[0] != drawn(1)[0]
    assert drawn(0)[1] != drawn(1)[1]


def test_a_part_of_ours_that_draws_does_so_each_time_it_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.evaluate.classification.Drawing", Drawing, raising=False)
    cfg = compose([*IRIS, "seed=5"])
    stored = count_states(monkeypatch)
    for count in (1, 2):
        OmegaConf.update(
            cfg, "evaluate", {"_target_": "harness.evaluate.classification.Drawing"}, merge=False
        )
        drawing: Any = Parts(cfg).evaluate
        torch.manual_seed(5)
        assert drawing.drawn[0] == float(torch.rand(()))
        assert stored["restored"] == count


def test_the_generators_are_left_alone_where_a_part_of_ours_drew_nothing_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored = count_states(monkeypatch)
    loads = [Parts(compose([*IRIS, "data.load.batch_size=11", f"seed={seed}"])).load for seed in (3, 3, 4)]
    assert len(set(map(id, loads))) == 3
    assert stored["restored"] == 2  # for the first one of each seed


def count_states(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the state of torch's generator is restored."""
    counts: Counter[str] = Counter()
    restore = torch.set_rng_state

    def counted(state: torch.Tensor) -> None:
        counts["restored"] += 1
        restore(state)

    monkeypatch.setattr(torch, "set_rng_state", counted)
    return counts


def test_fitted_parts_are_new_objects_each_time() -> None:
    parts = Parts(compose(IRIS))
    assert parts.new_transform() is not parts.new_transform()
    assert parts.transform_method("arrange") is None
    assert Parts(compose(DIGITS)).transform_method("arrange") is not None
