"""Words that usually name the parts of a data set that was divided in advance."""

from __future__ import annotations

from collections.abc import Iterable

PART_WORDS = {
    "train": ("train", "training"),
    "valid": ("valid", "val", "validation", "dev"),
    "test": ("test", "testing"),
}
"""Part -> its usual words, in lower case."""

_PARTS = {word: part for part, words in PART_WORDS.items() for word in words}


def named_parts(words: Iterable[str]) -> dict[str, str]:
    """Word -> `train`, `valid` or `test`; empty unless all are such words for a training part and another."""
    parts = {word: _PARTS.get(word.lower(), "") for word in words}
    divided = set(parts.values())
    return parts if "" not in divided and "train" in divided and len(divided) > 1 else {}
