"""Bundled: the small real data sets that come with scikit-learn."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from harness.data.extract.roles import Roles
from harness.table import Aim, Kind, Table

Name = Literal["digits", "breast_cancer", "wine", "iris", "diabetes"]

_TARGETS = {"breast_cancer": "diagnosis", "wine": "cultivar", "iris": "species", "diabetes": "progression"}

_WRITERS = (0, 130, 256, 386, 516, 646, 776, 915, 1029, 1157, 1287, 1415, 1545, 1667)
"""The first row of each of the 14 people who wrote the digits, one after the other."""


class Bundled:
    """A data set of scikit-learn as a Table.

    Columns beside the features: digits has `digit` and `writer`, breast_cancer `diagnosis`, wine
    `cultivar`, iris `species`, diabetes `progression` (a number; the features in their own units).
    The other arguments are those of `Roles`.
    """

    def __init__(
        self,
        *,
        name: Name,
        kind: Kind,
        shape: list[int] | None,
        target: str | None,
        group: str | None,
        id: str | None,
        features: list[str] | None,
        drop: list[str],
        task: Aim,
    ) -> None:
        self.name = name
        named = {target, group, id, *(features or []), *drop}
        # A label that is given no role, as by data.extract.target=null, does not become a feature.
        aside = [column for column in _labels(name) if column not in named]
        self.roles = Roles(target, group, id, features, [*drop, *aside], task, kind, shape)

    def __call__(self) -> Table:
        """Raises UserError: roles that the columns do not fit."""
        frame = _digits() if self.name == "digits" else _other(self.name)
        return self.roles.assign(frame, self.name, f"scikit-learn: {self.name}")


def _labels(name: Name) -> tuple[str, ...]:
    """The columns of a set that are no features."""
    return ("digit", "writer") if name == "digits" else (_TARGETS[name],)


def _digits() -> pd.DataFrame:
    """1797 rows: 64 pixels from 0 to 16, the digit, the writer by number.

    The file is read where scikit-learn keeps it, because importing scikit-learn takes a second
    and this is the default data set; where it has moved, scikit-learn is asked.
    """
    spec = find_spec("sklearn")
    roots = (spec.submodule_search_locations if spec else None) or []
    found = [path for root in roots if (path := Path(root, "datasets", "data", "digits.csv.gz")).is_file()]
    if found:
        values = pd.read_csv(found[0], header=None, dtype=np.float64).to_numpy()
    else:
        from sklearn.datasets import load_digits

        values = np.column_stack(load_digits(return_X_y=True))
    frame = pd.DataFrame(values[:, :64], columns=[f"pixel_{y}_{x}" for y in range(8) for x in range(8)])
    frame["digit"] = values[:, 64].astype(np.int64)
    frame["writer"] = np.searchsorted(_WRITERS, np.arange(len(frame)), side="right") - 1
    return frame


def _other(name: str) -> pd.DataFrame:
    from sklearn import datasets

    if name == "diabetes":
        # Unscaled: scikit-learn's scaled columns know the mean and spread of the test rows.
        found = datasets.load_diabetes(as_frame=True, scaled=False)
        target = found.target
    else:
        found = getattr(datasets, f"load_{name}")(as_frame=True)
        target = found.target.map(dict(enumerate(map(str, found.target_names))))
    frame: pd.DataFrame = found.data.assign(**{_TARGETS[name]: target})
    return frame
