"""Pre-trained weights from a local file; nothing is ever downloaded."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from harness.core.errors import UserError
from harness.core.name_list import listed
from harness.core.user_path import user_path

_WRAPPERS = ("trainer.", "best.weights.", "network.", "module.", "model.", "_orig_mod.")
"""What comes before each name: in our checkpoints, whose best epoch goes before the last step, and from
DataParallel, Lightning (and our bundles) and torch.compile."""

_CLASSIFIERS = ("fc", "head", "heads", "classifier")
"""What reference implementations call the layer that maps a representation to classes."""


def load(model: nn.Module, path: str) -> None:
    """Fills the model, in place, from a file of weights.

    The file is safetensors, or a torch checkpoint that loads with `weights_only=True`: a state
    dict, or one under the key "state_dict" or "model". The prefix of a wrapper is taken off the
    names, and a classifier is left out where the model has none; every other tensor must fit.

    Raises:
        UserError: the file is missing or unreadable, or its names or shapes are not the model's.
    """
    wanted = model.state_dict()
    stored = _unwrap(_read(user_path(path)), wanted.keys())
    stored = {
        name: tensor
        for name, tensor in stored.items()
        if name in wanted or name.split(".")[0] not in _CLASSIFIERS
    }
    _check_names(path, set(stored), set(wanted))
    _check_shapes(path, stored, wanted)
    # Not strict: a file older than PyTorch 0.4.1 lacks the counters that `_check_names` lets pass.
    model.load_state_dict(stored, strict=False)


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise UserError(
            f"model.weights must name a file of weights, and there is none at {path}",
            "give a path that exists, or model.weights=null for random weights",
            key="model.weights",
        )
    try:
        content: Any
        if path.suffix == ".safetensors":
            content = load_file(path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of another protocol: it loads, or is refused below
                content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a file of another kind fails at any step of unpickling, in any way
        raise _unreadable(path) from error
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict):
        raise _unreadable(path)
    tensors = {
        name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, Tensor)
    }
    if not tensors:
        raise _unreadable(path)
    return tensors


def _unreadable(path: Path) -> UserError:
    return UserError(
        "model.weights must be a safetensors file or a torch checkpoint of tensors that loads with "
        f"weights_only=True, and {path} is neither",
        "save the network's state_dict() to a new file",
        key="model.weights",
    )


def _unwrap(stored: dict[str, Tensor], wanted: Iterable[str]) -> dict[str, Tensor]:
    """Takes off prefixes of wrappers for as long as more names become the model's.

    What a wrapper holds beside the network, such as a loss with weights, is left out.
    """
    names = set(wanted)
    most = stored
    while prefix := next((prefix for prefix in _WRAPPERS if any(n.startswith(prefix) for n in stored)), None):
        stored = {n.removeprefix(prefix): tensor for n, tensor in stored.items() if n.startswith(prefix)}
        # A name may be the model's by chance: a head of ours and a part of the model may be called alike.
        if not names & most.keys() or len(names & stored.keys()) > len(names & most.keys()):
            most = stored
    return most


def _check_names(path: str, stored: set[str], wanted: set[str]) -> None:
    if not stored & wanted:
        raise UserError(
            f"model.weights must hold tensors of this model, such as {listed(sorted(wanted))}, and {path} "
            f"has none of them but {listed(sorted(stored))}",
            "choose the model that the file was saved from",
            key="model.weights",
        )
    missing = {name for name in wanted - stored if not name.endswith("num_batches_tracked")}
    if missing:
        raise UserError(
            f"model.weights must hold every tensor of this model, and {path} lacks {listed(sorted(missing))}",
            "choose the model and options that the file was saved from",
            key="model.weights",
        )
    if stored - wanted:
        raise UserError(
            f"model.weights must hold tensors of this model only, and {path} has "
            f"{listed(sorted(stored - wanted))}",
            "choose the model and options that the file was saved from",
            key="model.weights",
        )


def _check_shapes(path: str, stored: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    for name, tensor in stored.items():
        there, here = tuple(tensor.shape), tuple(wanted[name].shape)
        if there != here:
            raise UserError(
                f"model.weights must have the shapes of this model, and in {path} {name} is {there} "
                f"instead of {here}",
                _remedy(name, there, here),
                key="model.weights",
            )


def _remedy(name: str, there: tuple[int, ...], here: tuple[int, ...]) -> str:
    if name == "conv1.weight" and there[2:] != here[2:]:
        return f"set model.stem={'imagenet' if there[2:] == (7, 7) else 'small'}"
    if len(there) == len(here) == 4 and there[2:] == here[2:] and there[0] == here[0]:
        return f"give images of {there[1]} channels"
    return "choose the model and options that the file was saved from"
