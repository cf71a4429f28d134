"""Memory layout, compilation and precision of products: the same training, faster."""

from __future__ import annotations

from typing import Literal, final

import torch
from torch import nn

from harness.runtime.process_group import world


@final
class Speed:
    """The memory layout of the network and how its steps are computed; the mathematics does not change.

    Args:
        channels_last: images as (B, H, W, C) in memory, which tensor cores want; "auto": on CUDA.
        compile: `torch.compile` of the model, by its mode; "reduce-overhead" replays CUDA graphs, for
            small networks whose steps are shorter than their launch. False: none.
        tune: whether cuDNN tries its algorithms for each shape and keeps the quickest, which may be another
            one, with other roundings, in the next run.
        tf32: whether float32 products may be computed in TensorFloat-32 (10 bits of mantissa) on CUDA.
        parallel: what each process of torchrun keeps. "ddp": all weights; "fsdp": a share of the weights and
            of the optimizer's memory, see `harness.trainer.fsdp_shards`. It works neither with `compile` nor
            with weights that lie channels last, which "auto" gives up for it. A single process has nothing to
            divide, and trains the same either way.

    Raises:
        ValueError: a value does not go with `parallel`.
    """

    def __init__(
        self,
        *,
        channels_last: bool | Literal["auto"],
        compile: Literal[False, "default", "reduce-overhead", "max-autotune"],
        tune: bool,
        tf32: bool,
        parallel: Literal["ddp", "fsdp"],
    ) -> None:
        if parallel == "fsdp" and compile:
            raise ValueError(f"compile must be false with trainer.speed.parallel=fsdp, got {compile}")
        if parallel == "fsdp" and channels_last is True:
            raise ValueError("channels_last must be auto or false with trainer.speed.parallel=fsdp, got true")
        self.channels_last = channels_last
        self.compile = compile
        self.tune = tune
        self.tf32 = tf32
        self.parallel = parallel

    @property
    def divides(self) -> bool:
        """Whether each process keeps a share of the weights."""
        return self.parallel == "fsdp" and world() > 1

    def prepare(self, model: nn.Module, device: torch.device) -> None:
        """Lays the model out, in place; the names of its weights stay."""
        torch.backends.cudnn.benchmark = self.tune
        torch.set_float32_matmul_precision("high" if self.tf32 else "highest")
        if self.channels_last is True or (self.channels_last == "auto" and device.type == "cuda"):
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.compile:
            # torch compiles a class for eight of its modules; each fold and each trial brings another.
            torch.compiler.reset()
            model.compile(mode=self.compile)
