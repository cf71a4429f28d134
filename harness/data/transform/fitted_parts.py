"""Fitted parts of scikit-learn as plain values: names and numbers in JSON, arrays in safetensors.

Nothing stored is called when it is read. A part is rebuilt by the constructor of a class from a fixed list,
or of a class that the configuration names itself; the fitted attributes are then set. A function is not
stored: its position among the functions of the configuration is.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from harness.core.errors import UserError
from harness.data.transform.stored_estimators import (
    CACHE,
    PACKAGES,
    UntrustedState,
    full_name,
    stored_class,
)

_SCALARS = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16")
_TYPES = {
    **{name: getattr(np, name) for name in (*_SCALARS, "float32", "float64", "str_", "object_")},
    "builtins.bool": bool,
    "builtins.int": int,
    "builtins.float": float,
    "builtins.str": str,
    "builtins.object": object,
}


class Parts:
    """Writes and reads the fitted parts of one transform.

    Args:
        configured: the parts that the configuration makes, unfitted; their classes and functions are known.
    """

    def __init__(self, configured: Sequence[Any]) -> None:
        own = [part for root in configured for part in _estimators(root)]
        self._own = {full_name(type(part)): type(part) for part in own}
        self._functions = [
            value
            for part in own
            for _, value in sorted(part.get_params(deep=False).items())
            if callable(value) and not inspect.isclass(value) and not _is_estimator(value)
        ]

    def pack(self, fitted: Any) -> tuple[Any, dict[str, np.ndarray]]:
        """The value as JSON, and the arrays that it names.

        Raises:
            UserError: a part holds something else than numbers, texts, arrays and parts.
        """
        arrays: dict[str, np.ndarray] = {}
        return self._packed(fitted, arrays), arrays

    def unpack(self, packed: Any, arrays: Mapping[str, np.ndarray]) -> Any:
        """The inverse of `pack`.

        Raises:
            UntrustedState: it holds something that `pack` does not write.
        """
        try:
            return self._unpacked(packed, arrays)
        except (KeyError, ValueError, TypeError, AttributeError, IndexError, RecursionError) as error:
            raise UntrustedState(f"a value that cannot be read ({error})", "no transform writes") from error

    def rebuild(self, name: str, settings: Mapping[str, Any], fitted: Mapping[str, Any]) -> Any:
        """A part by its constructor, with the fitted attributes set.

        Raises:
            UntrustedState: the class is not known, or an attribute would hide a method or a setting.
        """
        cls = self._own.get(name) or stored_class(name)
        if settings.get(CACHE) is not None:
            raise UntrustedState(f"{name} with {CACHE}={settings[CACHE]!r}", "is a folder of pickled files")
        part = cls(**settings)
        for attribute, value in fitted.items():
            known = inspect.getattr_static(cls, attribute, None)
            hides = attribute in _settings(cls) or hasattr(type(known), "__get__")
            if hides or attribute.startswith("__"):
                raise UntrustedState(f"the attribute {attribute!r} of {name}", "no fit sets")
            vars(part)[attribute] = value
        return part

    def rebuild_from(self, name: str, values: Mapping[str, Any]) -> Any:
        """As `rebuild`, from all attributes together.

        Args:
            name: module and name of the class, as `full_name` gives them.
        """
        package = ".".join(name.split(".")[:2])
        public = name if name in self._own else f"{package}.{name.rpartition('.')[2]}"
        cls = self._own.get(name) or stored_class(public)
        if full_name(cls) != name:
            raise UntrustedState(name, f"is not {full_name(cls)}")
        names = _settings(cls)
        settings = {key: value for key, value in values.items() if key in names}
        fitted = {key: value for key, value in values.items() if key not in names}
        return self.rebuild(public, settings, fitted)

    def _packed(self, value: Any, arrays: dict[str, np.ndarray]) -> Any:
        match value:
            case None | bool() | str():
                return value if type(value) in (bool, str, type(None)) else {"scalar": _scalar(value)}
            case int() if type(value) is int:
                return value
            case float() if type(value) is float:
                return value if math.isfinite(value) else {"number": repr(value)}
            case np.generic():
                return {"scalar": _scalar(value)}
            case np.ndarray():
                return self._packed_array(value, arrays)
            case list() if type(value) is list:
                return [self._packed(item, arrays) for item in value]
            case tuple() if type(value) is tuple:
                return {"tuple": [self._packed(item, arrays) for item in value]}
            case dict():
                pairs = [[self._packed(k, arrays), self._packed(v, arrays)] for k, v in value.items()]
                return {"dict": pairs}
            case slice():
                return {"slice": [self._packed(x, arrays) for x in (value.start, value.stop, value.step)]}
            case np.dtype():
                return {"dtype": value.str}
            case type():
                names = [name for name, known in _TYPES.items() if known is value]
                if names:
                    return {"type": names[0]}
        return self._packed_object(value, arrays)

    def _packed_array(self, array: np.ndarray, arrays: dict[str, np.ndarray]) -> Any:
        if array.dtype.kind in "OU":
            items = [self._packed(item, arrays) for item in array.ravel().tolist()]
            return {"items": [array.dtype.str, list(array.shape), items]}
        if array.dtype.names is not None or array.dtype.kind not in "biuf" or type(array) is not np.ndarray:
            raise _unstorable(f"an array of {array.dtype}")
        name = str(len(arrays))
        by_columns = array.flags.f_contiguous and not array.flags.c_contiguous
        # safetensors stores in C order; the last bit of a product of matrices depends on the order.
        arrays[name] = np.ascontiguousarray(array.T if by_columns else array).reshape(
            array.shape[:: -1 if by_columns else 1]
        )
        return {"columns" if by_columns else "array": name}

    def _packed_object(self, value: Any, arrays: dict[str, np.ndarray]) -> Any:
        from scipy.interpolate import BSpline
        from scipy.sparse import issparse

        for position, function in enumerate(self._functions):
            if function is value:
                return {"function": position}
        if issparse(value):
            made = value.tocsr()
            return {
                "sparse": [
                    full_name(type(value)).rpartition(".")[2],
                    list(made.shape),
                    *(self._packed_array(x, arrays) for x in (made.data, made.indices, made.indptr)),
                ]
            }
        if isinstance(value, BSpline):
            fields = (value.t, value.c, value.k, value.extrapolate, value.axis)
            return {"spline": [self._packed(field, arrays) for field in fields]}
        if isinstance(value, np.random.RandomState):
            return {"random": [self._packed(field, arrays) for field in value.get_state()]}
        if _is_estimator(value):
            return self._packed_part(value, arrays)
        raise _unstorable(f"a {type(value).__name__}")

    def _packed_part(self, part: Any, arrays: dict[str, np.ndarray]) -> Any:
        name = self._name(type(part))
        settings = part.get_params(deep=False)
        fitted = {key: value for key, value in vars(part).items() if key not in settings}
        if settings.get(CACHE) is not None:
            settings[CACHE] = None  # of the fit alone
        try:
            packed = [
                {key: self._packed(value, arrays) for key, value in values.items()}
                for values in (settings, fitted)
            ]
        except UserError as error:
            raise error.with_end(f", in {type(part).__name__}") from None
        return {"part": [name, *packed]}

    def _name(self, cls: type) -> str:
        """The public name of an estimator, which outlives a move between modules; else the full name."""
        public = ".".join([*cls.__module__.split(".")[:2], cls.__name__])
        try:
            stored_class(public)
        except UntrustedState:
            if full_name(cls) not in self._own:
                raise _unstorable(f"a {full_name(cls)}") from None
            return full_name(cls)
        return public

    def _unpacked(self, packed: Any, arrays: Mapping[str, np.ndarray]) -> Any:
        if isinstance(packed, list):
            return [self._unpacked(item, arrays) for item in packed]
        if not isinstance(packed, dict):
            return packed
        ((kind, content),) = packed.items()
        match kind:
            case "array":
                return arrays[content]
            case "columns":
                return arrays[content].T
            case "number":
                return float(content)
            case "scalar":
                name, item = content
                return _type(name)(self._unpacked(item, arrays))
            case "type":
                return _type(content)
            case "dtype":
                return plain_dtype(content)
            case "function":
                return self._functions[content]
            case "tuple":
                return tuple(self._unpacked(content, arrays))
            case "dict":
                return {self._unpacked(k, arrays): self._unpacked(v, arrays) for k, v in content}
            case "slice":
                return slice(*self._unpacked(content, arrays))
            case "items":
                dtype, shape, items = content
                return object_array(self._unpacked(items, arrays), shape).astype(plain_dtype(dtype))
            case "sparse":
                return _sparse(content[0], content[1], *self._unpacked(content[2:], arrays))
            case "spline":
                return _spline(*self._unpacked(content, arrays))
            case "random":
                drawn = np.random.RandomState()
                drawn.set_state(tuple(self._unpacked(content, arrays)))
                return drawn
            case "part":
                name, *values = content
                settings, fitted = (
                    {key: self._unpacked(v, arrays) for key, v in entry.items()} for entry in values
                )
                return self.rebuild(name, settings, fitted)
        raise UntrustedState(f"a value of the kind {kind!r}", "no transform writes")


def plain_dtype(name: str) -> np.dtype:
    """The data type of numbers, texts or objects; a void one holds memory as it is.

    Raises:
        UntrustedState: it is another.
    """
    made = np.dtype(name)
    if made.kind not in "biufOU":
        raise UntrustedState(f"the data type {name!r}", "is not one of numbers or texts")
    return made


def object_array(items: Sequence[Any], shape: Sequence[int]) -> np.ndarray:
    """An array of objects; numpy would make an array of two axes out of a list of arrays."""
    made = np.empty(len(items), dtype=object)
    for position, item in enumerate(items):
        made[position] = item
    return made.reshape(shape)


@cache
def _settings(cls: type) -> frozenset[str]:
    """The names of the constructor's arguments."""
    return frozenset(inspect.signature(cls).parameters)


def _estimators(part: Any) -> Iterator[Any]:
    """The part and all estimators among its settings."""
    if _is_estimator(part):
        yield part
        for value in part.get_params(deep=False).values():
            yield from _estimators(value)
    elif isinstance(part, list | tuple):
        for item in part:
            yield from _estimators(item)
    elif isinstance(part, dict):
        yield from _estimators(list(part.values()))


def _is_estimator(value: Any) -> bool:
    return hasattr(value, "get_params") and not inspect.isclass(value)


def _unstorable(what: str) -> UserError:
    return UserError(
        f"data.transform is stored as numbers, texts and arrays, and a fitted part holds {what}",
        f"use a part of {', '.join(PACKAGES)}, or one of your own whose attributes are plain",
        key="data.transform",
    )


def _scalar(value: Any) -> list[Any]:
    kind = np.dtype(type(value)).name if isinstance(value, np.generic) else ""
    if isinstance(value, np.str_):
        return ["str_", str(value)]
    if kind not in _TYPES:
        raise _unstorable(f"a {type(value).__name__}")
    item = value.item()
    return [kind, item if not isinstance(item, float) or math.isfinite(item) else {"number": repr(item)}]


def _type(name: str) -> Callable[..., Any]:
    cls: Callable[..., Any] = _TYPES[name]
    return cls


def _sparse(name: str, shape: Sequence[int], data: Any, indices: Any, indptr: Any) -> Any:
    """Raises ValueError: the indices do not fit the shape; compiled code reads memory by them."""
    import scipy.sparse

    if name not in ("csr_matrix", "csr_array", "csc_matrix", "csc_array"):
        raise UntrustedState(f"a {name}", "no transform writes")
    by_rows = getattr(scipy.sparse, f"csr{name[3:]}")((data, indices, indptr), shape=tuple(shape))
    by_rows.check_format(full_check=True)
    return by_rows.asformat(name[:3])


def _spline(knots: Any, coefficients: Any, degree: int, extrapolate: Any, axis: int) -> Any:
    from scipy.interpolate import BSpline

    return BSpline(knots, coefficients, degree, extrapolate, axis)
