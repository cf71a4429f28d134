"""The settings in which runs differ: their shortest unambiguous names, and their values in few digits."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from harness.runs.setting_effects import affecting_scores, below

Texts = Mapping[str, str]
"""Settings by dotted key, as in the journal."""

ABSENT = "-"

_TARGET = "._target_"
_PARTIAL = "._partial_"
_DIGITS = (4, 6, 9)
_LIST = re.compile(r"[-+\d.e,\s\[\]]+")
_DECIMAL = re.compile(r"[-+]?\d*\.\d+(e[-+]?\d+)?")


def differing_parameters(settings: Sequence[Texts]) -> dict[str, list[str]]:
    """Dotted key -> the value of each line, for settings that differ; without the seed.

    Where lines differ in a part (`model`: its `_target_`), an argument that some of the parts lack is shown
    only where it differs among the parts that have it.
    """
    own = [affecting_scores(texts) for texts in settings]
    keys = [key for key in dict.fromkeys(key for texts in own for key in texts) if not key.endswith(_PARTIAL)]
    parts = [key for key in keys if key.endswith(_TARGET) and _differs(own, key, absent=True)]
    places = [key.removesuffix(_TARGET) for key in parts]
    differing = {}
    for key in keys:
        replaced = key not in parts and below(key, places)
        if key != "seed" and _differs(own, key, absent=not replaced):
            values = [texts.get(key, ABSENT) for texts in own]
            differing[key.removesuffix(_TARGET)] = (
                [_last(text) for text in values] if key in parts else values
            )
    return differing


def _differs(settings: Sequence[Texts], key: str, absent: bool) -> bool:
    values = {texts.get(key) for texts in settings if absent or key in texts}
    return len(values) > 1


def _last(target: str) -> str:
    """`ConvNet` of `harness.model.convnet.ConvNet`."""
    return target.rpartition(".")[2]


def shortest_names(keys: Sequence[str], taken: Collection[str] = ()) -> dict[str, str]:
    """Dotted key -> the shortest ending of it that no other key and no other column has."""
    return {key: _shortest(key, keys, taken) for key in keys}


def _shortest(key: str, keys: Sequence[str], taken: Collection[str]) -> str:
    words = key.split(".")
    for count in range(1, len(words)):
        name = ".".join(words[-count:])
        others = [other for other in keys if other != key and f".{other}".endswith(f".{name}")]
        if not others and name not in taken:
            return name
    return key


def rounded(values: Sequence[str]) -> list[str]:
    """The values with four significant digits, or as many as keep different values different."""
    for digits in _DIGITS:
        shown = [_rounded(value, digits) for value in values]
        if len(set(shown)) == len(set(values)):
            return shown
    return list(values)


def _rounded(text: str, digits: int) -> str:
    """A number, or a list of numbers, with fewer digits; other text as it is."""
    if not _LIST.fullmatch(text):
        return text
    return _DECIMAL.sub(lambda number: min(number[0], f"{float(number[0]):.{digits}g}", key=len), text)


def most_telling(parameters: Mapping[str, Sequence[str]], most: int) -> list[str]:
    """At most `most` keys in their order; dropped first are those that divide the lines as an earlier one."""
    divisions = {key: tuple(map(values.index, values)) for key, values in parameters.items()}
    first = {division: key for key, division in reversed(divisions.items())}
    ranked = sorted(parameters, key=lambda key: first[divisions[key]] != key)  # stable
    kept = {*ranked[:most]}
    return [key for key in parameters if key in kept]
