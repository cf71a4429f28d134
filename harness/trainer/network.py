"""The width of a model's representation, and the module of everything that learns."""

from __future__ import annotations

from torch import Tensor, nn

from harness.core.errors import UserError


def width_of(model: nn.Module) -> int:
    """Returns D of a model's representation (B, D).

    Raises:
        UserError: the model has no `width`, or a state that a file of weights cannot store.
    """
    width = getattr(model, "width", None)
    if not isinstance(width, int):
        raise UserError(
            "a model needs an attribute `width`, the width of its representation, and "
            f"{type(model).__name__} has {width!r}",
            "set self.width to D where forward returns (B, D)",
        )
    for name, value in model.state_dict().items():
        if not isinstance(value, Tensor):
            raise UserError(
                f"the state of a model must be tensors, which a file of weights can hold, and {name} of this "
                f"{type(model).__name__} is a {type(value).__name__}",
                "return a tensor from get_extra_state, or remove it",
            )
    return width


def as_module_dict(**parts: nn.Module | None) -> nn.ModuleDict:
    """The parts that are not None, by name."""
    return nn.ModuleDict({name: part for name, part in parts.items() if part is not None})
