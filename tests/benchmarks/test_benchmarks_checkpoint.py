"""The benchmark of checkpoints, in miniature."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from benchmarks import checkpoint
from harness.checkpoint import checkpoint_file


def test_a_checkpoint_is_compared_with_the_epoch_before_it(tmp_path: Path) -> None:
    found = checkpoint.of_an_epoch([*checkpoint.SMALL, "split.test=0.9"], tmp_path, 2)
    assert [len(costs) for costs in found.costs.values()] == [2, 2]
    assert (found.ours, found.reference) == ("a checkpoint", "an epoch")
    assert checkpoint_file.facts_of(tmp_path / "digits.safetensors") == {"epoch": 3}


def test_both_files_hold_the_same_state(tmp_path: Path) -> None:
    scale = replace(checkpoint.LARGE, model="convnet", side=8, classes=3, batch=4, epochs=1)
    found = checkpoint.of_size(scale, tmp_path, 1)
    assert list(found.costs) == ["harness", "torch.save"]
    ours = checkpoint_file.read(tmp_path / "large.safetensors")
    theirs = torch.load(tmp_path / "large.pt", weights_only=True)
    assert ours["network"].keys() == theirs["network"].keys()
    for name, tensor in ours["network"].items():
        assert torch.equal(tensor, theirs["network"][name])
    assert ours["optimizer"]["state"].keys() == theirs["optimizer"]["state"].keys()
    assert "At 2,470 images/s (see `benchmarks/gpu.py`) an epoch of ImageNet takes 519 s" in found.notes[0]
