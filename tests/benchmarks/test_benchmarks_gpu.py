"""The benchmark of the graphics card, in miniature and on the CPU."""

from __future__ import annotations

import pytest
import torch

from benchmarks import gpu
from benchmarks.measure import Unable
from benchmarks.synthetic import Scale, Synthetic

TINY = Scale(
    model="convnet",
    side=16,
    classes=3,
    batch=8,
    batches=2,
    steps=2,
    epochs=2,
    device="cpu",
    precision="fp32",
    compile=None,
)


def test_the_loader_repeats_its_batches() -> None:
    data = Synthetic(Scale(**{**vars(TINY), "steps": 3}))
    passed = [batch.rows.tolist() for batch in data]
    assert passed == [[*range(8)], [*range(8, 16)], [*range(8)]]
    assert len(data) == 3
    assert torch.equal(torch.cat([batch.inputs for batch in data.ordered()]), data.inputs)
    assert next(iter(data)).inputs.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(data.targets, Synthetic(TINY).targets)


@pytest.mark.parametrize("name", gpu.WORK)
def test_the_loop_tuned_by_hand_gives_the_same_losses(name: str) -> None:
    data, losses = Synthetic(TINY), {}
    for train in (gpu.train_with_harness, gpu.train_by_hand):
        torch.manual_seed(0)
        losses[train] = []
        train(name, TINY, data, losses[train].append)
    ours, theirs = losses.values()
    assert len(ours) == TINY.epochs
    assert theirs == pytest.approx(ours, rel=1e-3)


def test_a_comparison_names_the_published_number_and_what_the_profiler_saw() -> None:
    found = gpu.compare("supervised", TINY, 1)
    assert list(found.costs) == ["harness", "loop tuned by hand"]
    assert all(len(costs) == 1 and costs[0] > 0 for costs in found.costs.values())
    assert "NVIDIA published 2,470" in found.notes[0]
    assert f"Images/s: harness {1e6 / found.costs['harness'][0]:,.0f}" in found.notes[0]
    assert "`aten::" in found.notes[1]


def test_in_bfloat16_as_well() -> None:
    half = Scale(**{**vars(TINY), "precision": "bf16"})
    ends: list[float] = []
    gpu.train_by_hand("SimCLR", half, Synthetic(half), ends.append)
    assert len(ends) == 2
    assert all(0 < loss < 10 for loss in ends)


def test_a_cost_is_of_the_epochs_after_the_first() -> None:
    clock = iter([10.0, 16.0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu, "perf_counter", lambda: next(clock))
        spent = gpu.cost(lambda at_end: [at_end(0.0) for _ in range(2)] and None, TINY)
    assert spent == pytest.approx(6e6 / (2 * 8))


def test_kernels_are_listed_with_their_share() -> None:
    (line,) = gpu.described({"convolution": 3.0, "norm": 1.0}, 5.0)
    assert line == (
        "Profiled, an epoch took 5 s, of which kernels 80%. Of their time: `convolution` 75%, `norm` 25%."
    )


def test_without_a_gpu_the_benchmark_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(Unable, match="torch finds no CUDA device here"):
        gpu.main(1)
