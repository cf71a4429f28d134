"""A chain: parts of scikit-learn one after the other, fitted and applied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.core.errors import UserError
from harness.data.transform.quick_parts import transformed


def fit_chain(kind: str, parts: Sequence[Any], block: np.ndarray, targets: np.ndarray | None) -> Any:
    """The parts in a row, fitted; "passthrough" without any, None without columns.

    Args:
        kind: of the columns, for messages.
        parts: cloned, never fitted themselves.
        block: (n, F) values of the rows to learn from.
        targets: (n,) or (n, T), negative or NaN where unknown.

    Raises:
        UserError: a part asks for targets, and there are none.
    """
    from sklearn.base import clone
    from sklearn.pipeline import make_pipeline

    if not block.shape[1]:
        return None
    if not parts:
        return "passthrough"
    chain = make_pipeline(*map(clone, parts))
    asking = [part for part in parts if asks_for_targets(part)]
    if not asking:
        return chain.fit(block)
    known = np.empty(0) if targets is None else _known(targets)
    if targets is None or not known.any():
        raise UserError(
            f"data.transform.{kind} holds {type(asking[0]).__name__}, which learns from targets, and "
            "no training row has one",
            "take it out, or name the column with data.extract.target=COLUMN",
            key="data.transform",
        )
    return chain.fit(block[known], targets[known])


def apply_chain(chain: Any, block: np.ndarray) -> np.ndarray:
    """What a fitted chain makes of (n, F) values."""
    if isinstance(chain, str):
        return block.astype(np.float64)
    made: Any = block
    for _, part in chain.steps:
        made = transformed(part, made)
    return np.asarray(made.toarray() if hasattr(made, "toarray") else made)


def asks_for_targets(part: Any) -> bool:
    """Whether a part says that it needs targets, as scikit-learn's TargetEncoder does."""
    tags = getattr(part, "__sklearn_tags__", None)
    return tags is not None and bool(tags().target_tags.required)


def _known(targets: np.ndarray) -> np.ndarray:
    """(n,) bool: which rows have a target, all of several."""
    known: np.ndarray = ~np.isnan(targets) if targets.dtype.kind == "f" else targets >= 0
    return np.asarray(known.reshape(len(known), -1).all(axis=1))
