"""Converts nested state to tensors by name plus one JSON text for everything else, and back."""

from __future__ import annotations

import base64
import json
import math
import struct
from typing import Any, final

from torch import Tensor

_WHOLE = 2**53
"""The largest integer that every JSON reader reads exactly."""


def flatten(state: Any) -> tuple[dict[str, Tensor], str]:
    """Returns tensors by dotted name, and the JSON text from which `unflatten` builds the same state again.

    Exact: tuples stay tuples, keys keep their type, floats their bits (infinities, NaN and -0.0 included),
    and
    integers have any size. A tensor that occurs twice is stored once. Nothing is copied.

    Args:
        state: dicts, lists, tuples, tensors, numbers, strings, bytes and None, nested in any way; dict keys
        are
            any of these except tensors, lists and dicts.

    Raises:
        TypeError: it contains another type; the message says where.
    """
    flat = _Flat()
    text = json.dumps(flat.encoded(state, ""), separators=(",", ":"))
    return flat.tensors, text


def unflatten(tensors: dict[str, Tensor], text: str) -> Any:
    """Returns the state from the output of `flatten`.

    Raises:
        ValueError: the text was not made by `flatten`.
        KeyError: a tensor is missing.
    """
    return _decoded(json.loads(text), tensors)


@final
class _Flat:
    """The tensors found so far, and the name of each."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._names: dict[tuple[Any, ...], str] = {}

    def encoded(self, value: Any, path: str) -> Any:
        """Returns JSON types unchanged, and others as an object with the type as its only key."""
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, int):
            return int(value) if abs(value) <= _WHOLE else {"int": hex(value)}
        if isinstance(value, float):
            return value if math.isfinite(value) else {"float": struct.pack(">d", value).hex()}
        if isinstance(value, bytes):
            return {"bytes": base64.b64encode(value).decode()}
        if isinstance(value, Tensor):
            return {"tensor": self._name(value.detach(), path)}
        if isinstance(value, tuple):
            return {"tuple": self._items(value, path)}
        if isinstance(value, list):
            return self._items(value, path)
        if isinstance(value, dict):
            return {"dict": [[self.encoded(key, path), self._below(value[key], path, key)] for key in value]}
        raise TypeError(f"{path or 'the state'} is a {type(value).__name__}, which a checkpoint cannot store")

    def _items(self, values: list[Any] | tuple[Any, ...], path: str) -> list[Any]:
        if set(map(type, values)) == {int} and min(values) >= -_WHOLE and max(values) <= _WHOLE:
            return list(values)  # the 625 numbers of a generator of Python's
        return [self._below(value, path, place) for place, value in enumerate(values)]

    def _below(self, value: Any, path: str, key: object) -> Any:
        return self.encoded(value, f"{path}.{key}" if path else str(key))

    def _name(self, tensor: Tensor, path: str) -> str:
        place = (tensor.untyped_storage().data_ptr(), tensor.storage_offset())
        own = (*place, tuple(tensor.shape), tensor.stride(), tensor.dtype, tensor.device)
        if own not in self._names or not tensor.numel():
            name = path or "state"
            while name in self.tensors or name == "__metadata__":  # "a.b" is below a, or a key itself
                name += "'"
            self._names[own] = name
            self.tensors[name] = tensor
        return self._names[own]


def _decoded(node: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(node, list):
        return [_decoded(item, tensors) for item in node]
    if not isinstance(node, dict):
        return node
    ((kind, content),) = node.items()
    match kind:
        case "dict":
            return {_decoded(key, tensors): _decoded(value, tensors) for key, value in content}
        case "tuple":
            return tuple(_decoded(item, tensors) for item in content)
        case "tensor":
            return tensors[content]
        case "bytes":
            return base64.b64decode(content, validate=True)
        case "float":
            return struct.unpack(">d", bytes.fromhex(content))[0]
        case "int":
            return int(content, 16)
        case _:
            raise ValueError(f"{kind!r} is no kind of node")
