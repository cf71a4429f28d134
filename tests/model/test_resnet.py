"""harness/model/resnet.py"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.model.resnet import BasicBlock, Bottleneck, ResNet

RESNET18: dict[str, Any] = {
    "block": "basic",
    "layers": [2, 2, 2, 2],
    "stem": "auto",
    "zero_init_residual": False,
}
RESNET50: dict[str, Any] = {**RESNET18, "block": "bottleneck", "layers": [3, 4, 6, 3]}
TINY: dict[str, Any] = {**RESNET18, "layers": [1, 1, 1, 1]}


def norm_shapes(name: str, planes: int) -> dict[str, tuple[int, ...]]:
    kinds = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{kind}": (planes,) for kind in kinds} | {f"{name}.num_batches_tracked": ()}


def reference_shapes(layers: list[int], bottleneck: bool) -> dict[str, tuple[int, ...]]:
    """The names and shapes of the published weights, by the rule that table 1 of the paper gives."""
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 3, 7, 7)} | norm_shapes("bn1", 64)
    channels = 64
    for stage, depth in enumerate(layers):
        planes = 64 * 2**stage
        wide = planes * 4 if bottleneck else planes
        for block in range(depth):
            prefix = f"layer{stage + 1}.{block}"
            kernels = [(channels, planes, 1), (planes, planes, 3), (planes, wide, 1)]
            if not bottleneck:
                kernels = [(channels, planes, 3), (planes, planes, 3)]
            for number, (inside, outside, side) in enumerate(kernels, start=1):
                shapes[f"{prefix}.conv{number}.weight"] = (outside, inside, side, side)
                shapes |= norm_shapes(f"{prefix}.bn{number}", outside)
            if block == 0 and channels != wide:
                shapes[f"{prefix}.downsample.0.weight"] = (wide, channels, 1, 1)
                shapes |= norm_shapes(f"{prefix}.downsample.1", wide)
            channels = wide
    return shapes


def naive_forward(state: dict[str, Tensor], layers: list[int], bottleneck: bool, images: Tensor) -> Tensor:
    """The network on the ImageNet stem as sums of functions of its state dict, in evaluation mode."""

    def conv(maps: Tensor, name: str, norm: str, stride: int = 1) -> Tensor:
        weight = state[f"{name}.weight"]
        maps = F.conv2d(maps, weight, stride=stride, padding=weight.shape[-1] // 2)
        mean, var = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
        return F.batch_norm(maps, mean, var, state[f"{norm}.weight"], state[f"{norm}.bias"])

    maps = F.max_pool2d(F.relu(conv(images, "conv1", "bn1", stride=2)), 3, stride=2, padding=1)
    for stage, depth in enumerate(layers, start=1):
        for number in range(depth):
            at, stride = f"layer{stage}.{number}", 2 if stage > 1 and number == 0 else 1
            shortcut = maps
            if f"{at}.downsample.0.weight" in state:
                shortcut = conv(maps, f"{at}.downsample.0", f"{at}.downsample.1", stride)
            if bottleneck:
                maps = F.relu(conv(maps, f"{at}.conv1", f"{at}.bn1"))
                maps = F.relu(conv(maps, f"{at}.conv2", f"{at}.bn2", stride))
                maps = conv(maps, f"{at}.conv3", f"{at}.bn3")
            else:
                maps = F.relu(conv(maps, f"{at}.conv1", f"{at}.bn1", stride))
                maps = conv(maps, f"{at}.conv2", f"{at}.bn2")
            maps = F.relu(maps + shortcut)
    return maps.mean(dim=(2, 3))


@pytest.mark.parametrize(
    ("options", "parameters", "width"), [(RESNET18, 11_176_512, 512), (RESNET50, 23_508_032, 2048)]
)
def test_names_shapes_and_counts_are_those_of_the_published_weights(
    options: dict[str, Any], parameters: int, width: int
) -> None:
    model = ResNet((3, 224, 224), **options)
    expected = reference_shapes(options["layers"], options["block"] == "bottleneck")
    assert {name: tuple(each.shape) for name, each in model.state_dict().items()} == expected
    assert sum(each.numel() for each in model.parameters()) == parameters
    assert model.width == width


@pytest.mark.parametrize("options", [RESNET18, {**RESNET50, "layers": [2, 1, 1, 2]}])
def test_the_output_is_that_of_a_naive_forward(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = ResNet((3, 65, 65), **options)
    for name, buffer in model.named_buffers():
        if "running" in name:
            buffer.uniform_(0.5, 1.5)
    images = torch.randn(2, 3, 65, 65)
    with torch.no_grad():
        expected = naive_forward(
            model.state_dict(), options["layers"], options["block"] == "bottleneck", images
        )
        torch.testing.assert_close(model.eval()(images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("stem", "shape", "kernel", "map_side"),
    [
        ("auto", (1, 64, 200), 3, 64),
        ("auto", (1, 65, 65), 7, 17),
        ("small", (1, 224, 224), 3, 224),
        ("imagenet", (1, 32, 32), 7, 8),
    ],
)
def test_the_stem_follows_the_shorter_side_unless_it_is_named(
    stem: str, shape: tuple[int, int, int], kernel: int, map_side: int
) -> None:
    model = ResNet(shape, **{**TINY, "stem": stem})
    seen: list[int] = []
    model.layer1.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[2]))
    with torch.no_grad():
        model.eval()(torch.randn(1, *shape))
    assert model.conv1.weight.shape == (64, 1, kernel, kernel)
    assert seen == [map_side]


def test_weights_start_normal_with_the_variance_of_the_fan_out() -> None:
    torch.manual_seed(0)
    model = ResNet((3, 8, 8), **TINY)
    weight = model.layer4[0].conv2.weight
    assert weight.std().item() == pytest.approx((2 / (512 * 9)) ** 0.5, rel=0.01)
    assert weight.mean().item() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(("block", "kind"), [("basic", BasicBlock), ("bottleneck", Bottleneck)])
def test_zero_init_residual_starts_the_last_norm_of_each_block_at_zero_and_no_other(
    block: str, kind: type[nn.Module]
) -> None:
    model = ResNet((1, 8, 8), **{**TINY, "block": block, "zero_init_residual": True})
    last = [each.last_norm for each in model.modules() if isinstance(each, kind)]
    zero = [each for each in model.modules() if isinstance(each, nn.BatchNorm2d) and not each.weight.any()]
    assert len(last) == 4
    assert {id(each) for each in zero} == {id(each) for each in last}


@pytest.mark.parametrize("layers", [[2, 2, 2], [2, 2, 2, 0], []])
def test_layers_are_four_numbers_of_at_least_one(layers: list[int]) -> None:
    with pytest.raises(ValueError, match=r"layers must be four numbers of at least 1, got \["):
        ResNet((1, 8, 8), **{**RESNET18, "layers": layers})
