"""How a network is laid out and computed, without changing what it computes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from harness.trainer.speed import Speed


@pytest.fixture(autouse=True)
def as_before() -> None:
    """What `Speed` sets is the process's."""
    torch.backends.cudnn.benchmark = False
    torch.set_float32_matmul_precision("highest")


def laid_out(**changes: object) -> nn.Module:
    settings = {"channels_last": "auto", "compile": False, "tune": False, "tf32": False, "parallel": "ddp"}
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8, 2))
    Speed(**(settings | changes)).prepare(net, torch.device("cpu"))  # type: ignore[arg-type]
    return net


def test_images_are_channels_last_by_setting_and_by_default_on_cuda_only() -> None:
    assert laid_out(channels_last=True)[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert laid_out()[0].weight.is_contiguous()


def test_the_model_is_compiled_in_place_so_that_its_weights_keep_their_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    monkeypatch.setattr(nn.Module, "compile", lambda self, mode: asked.append(mode))
    net = laid_out(compile="reduce-overhead")
    assert asked == ["reduce-overhead"]
    assert set(net.state_dict()) == {"0.weight", "0.bias", "2.weight", "2.bias"}
    laid_out()
    assert asked == ["reduce-overhead"]


def test_tensorfloat_and_cudnns_search_are_off_by_default() -> None:
    laid_out()
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark) == ("highest", False)
    laid_out(tf32=True, tune=True)
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark) == ("high", True)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"compile": "default"}, "compile must be false with trainer.speed.parallel=fsdp, got default"),
        (
            {"channels_last": True},
            "channels_last must be auto or false with trainer.speed.parallel=fsdp, got true",
        ),
    ],
)
def test_what_divided_weights_cannot_have_is_refused(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        laid_out(parallel="fsdp", **changes)


def test_one_process_divides_nothing() -> None:
    speed = Speed(channels_last="auto", compile=False, tune=False, tf32=False, parallel="fsdp")
    assert not speed.divides
