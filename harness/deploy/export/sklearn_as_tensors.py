"""The arithmetic of scikit-learn's fitted transforms of numbers and categories, as arrays."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.data.transform.sklearn_chains import Chains

_CYCLES = ("month", "day_of_week", "hour")
_OURS = "harness.data.transform.number_scaling"  # by name, because the module imports scikit-learn
_STRANGE = "\x00 no such category"


class Opaque(Exception):
    """A transform does more than fill, scale or look up each column; the message names it."""


@dataclass(frozen=True)
class Number:
    """One number per row.

    column  of the raw row; a position if the features are an array
    part    of a date: "elapsed", "year" …; None: the value itself
    wave    "sin" or "cos" of the part's angle, or None
    origin  of "elapsed", in days since 1970-01-01; of a number itself, what is taken off; None: nothing
    """

    column: Any
    part: str | None = None
    wave: str | None = None
    origin: float | None = None

    @property
    def name(self) -> str:
        return " ".join(str(word) for word in (self.column, self.part, self.wave) if word is not None)


@dataclass(frozen=True)
class Step:
    """`fill`: a missing value of column j becomes first[j]; `scale`: x becomes (x - first) / second; `clip`:
    x becomes x / sqrt(1 + (x / first)^2); `bound`: x becomes first where it is below, second where above."""

    kind: str
    first: np.ndarray
    second: np.ndarray


@dataclass(frozen=True)
class Category:
    """The features of each category.

    codes             of each known category, as text
    missing, unknown  codes for a missing value and for any other text; None: refused
    features          (codes, width) float64
    """

    column: Any
    codes: dict[str, int]
    missing: int | None
    unknown: int | None
    features: np.ndarray


@dataclass(frozen=True)
class Columns:
    """Numbers first, then the features of each category, as in `Chains`."""

    numbers: tuple[Number, ...]
    steps: tuple[Step, ...]
    categories: tuple[Category, ...]


def read(chains: Chains, cyclic: bool) -> Columns:
    """Reads the arithmetic of fitted chains.

    Args:
        cyclic: as the transform was configured.

    Raises:
        Opaque: they contain a transform that `Columns` cannot express.
    """
    fitted, names = chains.fitted, chains.columns
    numbers = [Number(column, origin=chains.origins.get(str(column))) for column in names["numeric"]]
    for column in names["dates"]:
        numbers += _of_date(column, chains.parts_of(column), cyclic, chains.origins[column])
    return Columns(
        tuple(numbers),
        tuple(_step(part) for part in _parts(fitted["numeric"])),
        (
            *_categories(fitted["categorical"], names["categorical"]),
            *_codes(fitted.get("codes"), names.get("codes", ())),
        ),
    )


def _of_date(column: str, parts: Sequence[str], cyclic: bool, origin: float) -> list[Number]:
    numbers = []
    for part in parts:
        waves = ("sin", "cos") if cyclic and part in _CYCLES else (None,)
        numbers += [Number(column, part, wave, origin if part == "elapsed" else None) for wave in waves]
    return numbers


def _parts(chain: Any) -> list[Any]:
    return [] if chain is None or isinstance(chain, str) else [part for _, part in chain.steps]


def _step(part: Any) -> Step:
    """A transform of numbers as (x - first) / second, from its documented attributes."""
    name, one = type(part).__name__, np.ones(part.n_features_in_)
    if type(part).__module__ == _OURS and name == "RobustScale":
        return _scale(part.center_, part.scale_, one)
    if type(part).__module__ == _OURS and name == "SmoothClip":
        return Step("clip", one * part.limit, one)
    if type(part).__module__ == _OURS and name == "TrainingRange":
        return Step("bound", part.low_, part.high_)
    if not type(part).__module__.startswith("sklearn."):
        raise Opaque(name)
    if name == "SimpleImputer" and not _has_indicators(part) and _is_nan(part.missing_values):
        return Step("fill", np.asarray(part.statistics_, dtype=np.float64), one)
    if name == "StandardScaler":
        return _scale(part.mean_ if part.with_mean else None, part.scale_, one)
    if name == "RobustScaler":
        return _scale(part.center_ if part.with_centering else None, part.scale_, one)
    if name == "MaxAbsScaler" and not getattr(part, "clip", False):
        return _scale(None, part.scale_, one)
    if name == "MinMaxScaler" and not part.clip:  # x * scale + min
        return _scale(-part.min_ / part.scale_, 1 / part.scale_, one)
    raise Opaque(name)


def _has_indicators(part: Any) -> bool:
    """Whether an imputer adds columns; it adds none where the training rows have no missing value."""
    return bool(part.add_indicator) and len(part.indicator_.features_) > 0


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and np.isnan(value)


def _scale(shift: np.ndarray | None, scale: np.ndarray | None, one: np.ndarray) -> Step:
    return Step("scale", one * 0 if shift is None else shift, one if scale is None else scale)


def _categories(chain: Any, columns: Sequence[Any]) -> list[Category]:
    """Each column's table, computed by transforming every category with the other columns constant."""
    if not columns:
        return []
    known = _known(chain, len(columns))
    still = np.array([values[0] for values in known], dtype=object)
    answers = [_answers(chain, still, place, values) for place, values in enumerate(known)]
    owners = _owners(answers)
    return [
        _category(column, values, answer[:, owners == place])
        for place, (column, values, answer) in enumerate(zip(columns, known, answers, strict=True))
    ]


def _codes(chain: Any, columns: Sequence[Any]) -> list[Category]:
    """The code of a category is its own feature, which the network looks up."""
    if chain is None:
        return []
    part = chain.steps[-1][1]
    return [
        Category(
            column,
            {name: code for code, name in enumerate(known[: count - 1], 1)},
            0,
            0,
            np.arange(count, dtype=np.float64)[:, None],
        )
        for column, known, count in zip(columns, part.categories_, part.counts_, strict=True)
    ]


def _known(chain: Any, count: int) -> list[list[str]]:
    parts = _parts(chain)
    for part in parts:
        columnwise = ("SimpleImputer", "OneHotEncoder", "OrdinalEncoder", "TargetEncoder", "StandardScaler")
        if not type(part).__module__.startswith("sklearn.") or type(part).__name__ not in columnwise:
            raise Opaque(type(part).__name__)
    encoders = [part for part in parts if len(getattr(part, "categories_", ())) == count]
    if not encoders:
        raise Opaque("a chain without an encoder")
    return [[value for value in values if isinstance(value, str)] for values in encoders[0].categories_]


def _answers(chain: Any, still: np.ndarray, place: int, values: list[str]) -> np.ndarray:
    """(values + 2, F): the features of each category, of a missing and of an unknown one; NaN: refused."""
    block = np.tile(still, (len(values), 1))
    block[:, place] = values
    made = [_transformed(chain, block)]
    for odd in (np.nan, _STRANGE):
        block = still[None].copy()
        block[0, place] = odd
        try:
            made.append(_transformed(chain, block))
        except ValueError:  # handle_unknown=error
            made.append(np.full((1, made[0].shape[1]), np.nan))
    return np.concatenate(made)


def _transformed(chain: Any, block: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the warning that the category is unknown
        made = chain.transform(block)
    return np.asarray(made.toarray() if hasattr(made, "toarray") else made, dtype=np.float64)


def _owners(answers: list[np.ndarray]) -> np.ndarray:
    """(F,) the column of each feature: the one whose categories change it.

    Raises:
        Opaque: two columns change the same feature, or they are not in the order of the columns.
    """
    changed = np.stack([(answer != answer[0]).any(axis=0) for answer in answers])
    # A refused category is NaN everywhere, so it does not show the column of a feature.
    changed &= np.stack([(np.nan_to_num(a - a[0]) != 0).any(axis=0) for a in answers])
    if (changed.sum(axis=0) > 1).any():
        raise Opaque("a part that mixes columns")
    owners = np.where(changed.any(axis=0), changed.argmax(axis=0), -1)
    for place in range(len(owners)):  # a constant feature belongs to the column before it
        if owners[place] < 0:
            owners[place] = owners[place - 1] if place else 0
    if (np.diff(owners) < 0).any():
        raise Opaque("a part that reorders columns")
    return owners


def _category(column: Any, values: list[str], answers: np.ndarray) -> Category:
    """Categories with the same features share a code."""
    distinct: dict[bytes, int] = {}
    codes: list[int | None] = []
    rows: list[np.ndarray] = []
    for answer in answers:
        if np.isnan(answer).any():
            codes.append(None)
            continue
        code = distinct.setdefault(answer.tobytes(), len(rows))
        if code == len(rows):
            rows.append(answer)
        codes.append(code)
    named = {value: code for value, code in zip(values, codes, strict=False) if code is not None}
    return Category(column, named, codes[-2], codes[-1], np.stack(rows))
