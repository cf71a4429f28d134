"""Any image architecture of timm (PyTorch Image Models), an optional dependency."""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar

from torch import Tensor, nn

from harness.core.errors import UserError
from harness.core.near_names import nearest
from harness.model.pretrained_weights import load


class Timm(nn.Module):
    """A network of timm without its classifier: (B, C, H, W) -> (B, D).

    name     one of `timm.list_models()`, such as "resnet18" or "convnext_tiny"
    options  further keywords of `timm.create_model`, such as {img_size: 32} for a ViT
    weights  a local file with timm's own names; nothing is downloaded

    Raises:
        UserError: timm is absent or breaks when imported, it has no such name, or refuses an option.
    """

    takes: ClassVar[tuple[str, ...]] = ("image",)

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        name: str,
        options: dict[str, Any],
        weights: str | None = None,
    ) -> None:
        super().__init__()
        timm = _library()
        known = timm.list_models()
        if name.partition(".")[0] not in known:
            raise UserError(
                f"model.name must be a model of timm, and {name!r} is none",
                _near(name, known),
                key="model.name",
            )
        try:
            self.model = timm.create_model(
                name, pretrained=False, num_classes=0, in_chans=shape[0], **options
            )
        except TypeError as error:
            raise UserError(
                f"model.options must be keywords of timm's {name}, and it refuses {options} ({error})",
                "take out what it does not know",
                key="model.options",
            ) from error
        # Some networks widen their features once more before the classifier, and say so.
        self.width: int = getattr(self.model, "head_hidden_size", None) or self.model.num_features
        if weights is not None:
            load(self.model, weights)

    def forward(self, inputs: Tensor) -> Tensor:
        representation: Tensor = self.model(inputs)
        return representation


def _near(name: str, known: list[str]) -> str:
    """Near misses, but never the whole list: timm knows more than a thousand names."""
    close = nearest(name, known)
    return f"did you mean {' or '.join(close)}?" if close else "timm.list_models() gives the names."


def _library() -> Any:
    """timm, which imports torchvision, whose build must be made for the installed torch."""
    try:
        return import_module("timm")
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "timm":
            raise UserError(
                "model=timm needs the package timm, which is not installed",
                "install it with: pip install 'harness[timm]'",
            ) from error
        raise UserError(
            f"model=timm needs the package timm, and importing it fails ({type(error).__name__}: {error})",
            "install a torchvision that was built for this torch, or choose another model",
        ) from error
