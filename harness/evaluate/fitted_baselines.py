"""Baselines that are fitted on a fold's own rows: a linear model and gradient boosting (`baseline_fits.py`).

They see what the network sees: the transformed features of the training rows with a known target. Codes of
categories are one-hot for the linear model, and categories for boosting, which takes 255 of a column.
Boosting stops early by the validation rows, from which the network takes its best epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from harness.core.arrays import Loader
from harness.core.code_columns import one_hot, without_rare
from harness.core.task import Task
from harness.evaluate.baseline_fits import Fit, LabelledRows
from harness.evaluate.scored_rows import known

_MOST_CATEGORIES = 255
"""The categories of a column that scikit-learn's boosting takes."""


def labelled_rows(loader: Loader | None, codes: tuple[int, ...] = ()) -> LabelledRows | None:
    """The labelled rows of a part, each flattened; None without any."""
    if loader is None or loader.targets is None:
        return None
    kept = known(loader.targets).cpu()
    if not kept.any():
        return None
    inputs = torch.cat([batch.inputs.flatten(1).cpu() for batch in loader.ordered()])
    return LabelledRows(inputs[kept].float().numpy(), loader.targets.cpu()[kept].numpy(), codes)


def fit_of(name: str, task: Task, rows: Mapping[str, LabelledRows], scored: Sequence[str], seed: int) -> Fit:
    """The fit of a baseline on the training rows, with the codes of categories as it takes them.

    Args:
        rows: by the name of the part; "train" is one of them. By those of "valid" boosting stops.
        scored: the parts whose outputs are wanted.
    """
    taken = {part: _readable(each, name) for part, each in rows.items()}
    others = {part: taken[part].inputs for part in scored if part in taken}
    return Fit(name, task, taken["train"], taken.get("valid"), others, seed)


def _readable(rows: LabelledRows, name: str) -> LabelledRows:
    if not rows.codes:
        return rows
    inputs = torch.from_numpy(rows.inputs)
    linear = name == "linear"
    made = one_hot(inputs, rows.codes) if linear else without_rare(inputs, rows.codes, _MOST_CATEGORIES)
    return rows._replace(inputs=made.numpy())
