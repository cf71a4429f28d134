"""Reads the fitted parts of earlier versions, which skops wrote: a zip of a JSON tree and arrays.

Only what `fitted_parts` stores today is read: arrays, plain values, and known estimators. skops itself
imports and calls whatever the file names, if its caller trusts the name.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np

from harness.data.transform.fitted_parts import Parts, object_array, plain_dtype
from harness.data.transform.stored_estimators import UntrustedState

_Node = dict[str, Any]

_LARGEST = 2**31
"""Bytes that one file of the archive may have: a zip of some KB can unpack to any size."""

_TYPES: dict[str, Any] = {
    **{f"builtins.{kind.__name__}": kind for kind in (bool, int, float, str, object)},
    **{
        f"numpy.{name}": getattr(np, name)
        for name in ("float64", "float32", "int64", "int32", "bool", "str_")
    },
}


def read(data: bytes, parts: Parts) -> Any:
    """The fitted parts in the file.

    Raises:
        UntrustedState: it holds something else, or is damaged.
    """
    try:
        with ZipFile(io.BytesIO(data)) as archive:
            return _Reader(archive, parts).value(json.loads(archive.read("schema.json")))
    except (BadZipFile, KeyError, ValueError, TypeError, AttributeError, EOFError, RecursionError) as error:
        raise UntrustedState(f"a value that cannot be read ({error})", "no transform writes") from error


class _Reader:
    def __init__(self, archive: ZipFile, parts: Parts) -> None:
        self._archive, self._parts = archive, parts

    def value(self, node: _Node) -> Any:
        kind = node["__loader__"]
        readers: dict[str, Callable[[_Node], Any]] = {
            "JsonNode": lambda node: json.loads(node["content"]),
            "ListNode": lambda node: [self.value(item) for item in node["content"]],
            "TupleNode": lambda node: tuple(self.value(item) for item in node["content"]),
            "DictNode": self._mapping,
            "NdArrayNode": self._array,
            "DTypeNode": self._dtype,
            "TypeNode": self._type,
            "SliceNode": lambda node: slice(*(node["content"][key] for key in ("start", "stop", "step"))),
            "ObjectNode": self._part,
        }
        if kind not in readers:
            raise UntrustedState(_name(node), "is neither a number, a text, an array nor a known part")
        return readers[kind](node)

    def _mapping(self, node: _Node) -> dict[Any, Any]:
        kinds = [self._type(entry) for entry in node["key_types"]["content"]]
        pairs = zip(kinds, node["content"].items(), strict=True)
        return {kind(key): self.value(item) for kind, (key, item) in pairs}

    def _array(self, node: _Node) -> Any:
        if node["type"] == "json":
            return self._objects(node)
        name = str(node["file"])
        if self._archive.getinfo(name).file_size > _LARGEST:
            raise UntrustedState(f"an array of more than {_LARGEST} bytes", "is too large for a transform")
        array = np.load(io.BytesIO(self._archive.read(name)), allow_pickle=False)
        plain_dtype(array.dtype.str)
        return array if _name(node) == "numpy.ndarray" else self._type(node)(array)

    def _objects(self, node: _Node) -> np.ndarray:
        shape = self.value(node["shape"])
        items = [self.value(item) for item in node["content"]]
        for _ in shape[1:]:  # rows within rows
            items = [item for row in items for item in row]
        return object_array(items, shape)

    def _dtype(self, node: _Node) -> np.dtype:
        """skops stores an empty array of the data type."""
        array: np.ndarray = self.value(node["content"])
        return array.dtype

    def _type(self, node: _Node) -> Any:
        cls = _TYPES.get(_name(node))
        if cls is None:
            raise UntrustedState(_name(node), "is no type of numbers or texts")
        return cls

    def _part(self, node: _Node) -> Any:
        values = self.value(node["content"])
        values.pop("_sklearn_version", None)
        return self._parts.rebuild_from(_name(node), values)


def _name(node: _Node) -> str:
    return f"{node['__module__']}.{node['__class__']}"
