"""How the fitted parts of a transform encode each column, and how many features come of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.data.transform.sklearn_chains import Chains


def encodings(chains: Chains) -> dict[str, tuple[str, int | None]]:
    """By column, the parts that it passes through and the number of its features, of fitted chains.

    None: the parts mix columns, or do not say.
    """
    numbers, dates = chains.columns["numeric"], chains.columns["dates"]
    inputs = {"numeric": [*numbers, *(name for name in dates for _ in range(chains.width_of(name)))]}
    inputs |= {kind: chains.columns[kind] for kind in ("categorical", "codes") if kind in chains.columns}
    return {
        str(name): made
        for kind, names in inputs.items()
        for name, made in _encoding(chains.fitted[kind], names).items()
    }


def _encoding(chain: Any, names: Sequence[Any]) -> dict[Any, tuple[str, int | None]]:
    if chain is None or isinstance(chain, str):
        return {name: ("unchanged", names.count(name)) for name in names}
    parts = ", ".join(type(part).__name__ for _, part in chain.steps)
    counts: dict[Any, int | None] = dict.fromkeys(names, 0)
    try:
        made = chain.get_feature_names_out([f"{place}|" for place in range(len(names))])
    except (AttributeError, ValueError, TypeError):
        made = ["unknown"]
    for feature in map(str, made):
        # An imputer's indicator of missing values belongs to the column.
        place, bar, rest = feature.removeprefix("missingindicator_").partition("|")
        if not bar or "|" in rest or not place.isdigit():
            counts = dict.fromkeys(names)
            break
        counts[names[int(place)]] = (counts[names[int(place)]] or 0) + 1
    return {name: (parts, count) for name, count in counts.items()}
