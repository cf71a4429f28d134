from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.sweep.space.ablation_path import ablation_path
from harness.sweep.space.search_space import Space

Build = Callable[..., Space]
RATE, DROPOUT = "trainer.optimizer.lr", "model.dropout"


def test_one_key_after_the_other_takes_its_value_in_the_order_given(space: Build) -> None:
    built = space(f"{RATE}=0.1,0.2", f"{DROPOUT}=0.1,0.2", "seed=1,2")
    start, end = {RATE: 0.1, DROPOUT: 0.1, "seed": 1}, {RATE: 0.2, DROPOUT: 0.2, "seed": 1}
    middle = {RATE: 0.1, DROPOUT: 0.2, "seed": 1}
    assert ablation_path(built, start, end, [DROPOUT, "seed", RATE]) == [start, middle, end]
    assert ablation_path(built, start, end, [RATE])[1] == {RATE: 0.2, DROPOUT: 0.1, "seed": 1}
    assert ablation_path(built, start, start, [RATE]) == [start]


def test_a_conditional_key_comes_and_goes_with_the_one_it_depends_on(space: Build) -> None:
    conditional: dict[str, Any] = {
        "model.norm": {"values": "none,batch", "when": "model=mlp"},
        "model.depth": {"values": "1,2", "when": "model=convnet"},
    }
    built = space("model=mlp,convnet", "seed=1,2", **conditional)
    start = {"model": "mlp", "seed": 1, "model.norm": "batch"}
    end = {"model": "convnet", "seed": 2, "model.depth": 2}
    changed = {"model": "convnet", "seed": 1, "model.depth": 2}
    for order in (["model.depth", "model", "seed"], ["model", "model.norm"]):
        assert ablation_path(built, start, end, order) == [start, changed, end]


def test_a_key_that_neither_end_has_lets_two_keys_change_at_once(space: Build) -> None:
    conditional: dict[str, Any] = {"model.depth": {"values": "1,2", "when": ["model=convnet", "seed=1"]}}
    built = space("model=mlp,convnet", "seed=1,2", **conditional)
    start, end = {"model": "mlp", "seed": 1}, {"model": "convnet", "seed": 2}
    assert ablation_path(built, start, end, ["model", "seed"]) == [start, end]
    assert ablation_path(built, start, end, ["seed"]) == [start, {"model": "mlp", "seed": 2}, end]
