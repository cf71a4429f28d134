"""Parameters: in which settings runs differ, and the shortest names that tell them apart."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache

Texts = Mapping[str, str]
"""Settings by dotted key, as the journal tells them."""

ABSENT = "-"

_TARGET = "._target_"
_PARTIAL = "._partial_"

_BESIDE = (
    *("name", "tags", "outputs", "resume", "checkpoint", "data.cache", "harness", "hydra"),
    *("sweep", "tracking", "production", "report"),
)
"""Settings, or groups of them, that leave every score as it is."""


def bearing(texts: Texts) -> dict[str, str]:
    """Those that bear on the scores."""
    return {key: text for key, text in texts.items() if _bears(key)}


@cache  # the same few hundred keys in every run
def _bears(key: str) -> bool:
    return not _below(key, _BESIDE)


def _below(key: str, groups: Sequence[str]) -> bool:
    return any(key == group or key.startswith(f"{group}.") for group in groups)


def differing(settings: Sequence[Texts]) -> dict[str, list[str]]:
    """By dotted key, the value of each line, of what is not the same in all; the seed is left out.

    Where lines differ in a part (`model`: its `_target_`), the part's name tells it: an argument that one
    part has and the other lacks is shown only where it differs among those that have it.
    """
    own = [bearing(texts) for texts in settings]
    keys = [key for key in dict.fromkeys(key for texts in own for key in texts) if not key.endswith(_PARTIAL)]
    parts = [key for key in keys if key.endswith(_TARGET) and _differs(own, key, absent=True)]
    places = [key.removesuffix(_TARGET) for key in parts]
    found = {}
    for key in keys:
        replaced = key not in parts and _below(key, places)
        if key != "seed" and _differs(own, key, absent=not replaced):
            values = [texts.get(key, ABSENT) for texts in own]
            found[key.removesuffix(_TARGET)] = [_last(text) for text in values] if key in parts else values
    return found


def _differs(settings: Sequence[Texts], key: str, absent: bool) -> bool:
    values = {texts.get(key) for texts in settings if absent or key in texts}
    return len(values) > 1


def _last(target: str) -> str:
    """`ConvNet` of `harness.model.convnet.ConvNet`."""
    return target.rpartition(".")[2]


def short(keys: Sequence[str], taken: Collection[str] = ()) -> dict[str, str]:
    """By dotted key, as few of its last words as no other key and no other column ends with."""
    return {key: _shortest(key, keys, taken) for key in keys}


def _shortest(key: str, keys: Sequence[str], taken: Collection[str]) -> str:
    words = key.split(".")
    for count in range(1, len(words)):
        name = ".".join(words[-count:])
        others = [other for other in keys if other != key and f".{other}".endswith(f".{name}")]
        if not others and name not in taken:
            return name
    return key
