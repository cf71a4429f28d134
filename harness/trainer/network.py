"""The width of a model's representation, and the module of everything that learns."""

from __future__ import annotations

from torch import Tensor, nn

from harness.core.errors import UserError
from harness.trainer.training_method import TrainingMethod


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


def members_of(model: nn.Module) -> int:
    """Returns how many members share a model's representation, one after the other; 1 of most models.

    Raises:
        UserError: it does not divide the representation.
    """
    members = getattr(model, "members", 1)
    if not isinstance(members, int) or members < 1 or width_of(model) % members:
        raise UserError(
            "a model's attribute `members` must be a number that divides its `width`, and "
            f"{type(model).__name__} has members={members!r} and width={width_of(model)}",
            "set self.width to the members times the width of each",
        )
    return members


def members_for(method: TrainingMethod, model: nn.Module) -> int:
    """Returns how many members of a model a training method gives a loss each.

    Raises:
        UserError: it has no use for the model's members.
    """
    members = members_of(model)
    if members > 1 and not method.uses_members:
        raise UserError(
            f"{type(method).__name__} has no use for the {members} members of {type(model).__name__}, "
            "which need a loss each",
            "use trainer=supervised, or a model without members such as model=mlp",
            key="model",
        )
    return members


def as_module_dict(**parts: nn.Module | None) -> nn.ModuleDict:
    """The parts that are not None, by name."""
    return nn.ModuleDict({name: part for name, part in parts.items() if part is not None})
