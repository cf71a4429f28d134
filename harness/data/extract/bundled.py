"""Bundled: the small real data sets included in scikit-learn."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from harness.core.table import Table
from harness.data.extract.source import Source

Name = Literal["digits", "breast_cancer", "wine", "iris", "diabetes"]

TARGETS = {"breast_cancer": "diagnosis", "wine": "cultivar", "iris": "species", "diabetes": "progression"}
"""The label column of each data set except digits, which has two."""

_WRITERS = (0, 130, 256, 386, 516, 646, 776, 915, 1029, 1157, 1287, 1415, 1545, 1667)
"""The first row of each of the 14 writers of the digits, in order."""


class Bundled(Source):
    """A data set of scikit-learn as a Table.

    Columns beside the features: digits has `digit` and `writer`, breast_cancer `diagnosis`, wine
    `cultivar`, iris `species`, diabetes `progression` (a number; the features in their own units).
    The other arguments are those of `Source`.
    """

    def __init__(self, *, name: Name, **roles: Any) -> None:
        super().__init__(name=name, **roles)
        self.data = name
        # A label without a role, as with data.extract.target=null, must not become a feature.
        used = self.roles.named.union(self.roles.drop)
        aside = [column for column in labels_of(name) if column not in used]
        self.roles = replace(self.roles, drop=[*self.roles.drop, *aside])

    def __call__(self) -> Table:
        """Raises UserError: roles that the columns do not fit."""
        return self.roles.assign(bundled(self.data), self.data, f"scikit-learn: {self.data}")

    def fingerprint(self) -> str:
        """The data changes only with the version of scikit-learn."""
        return installed()


@cache  # it parses the package's metadata
def installed() -> str:
    """The version of scikit-learn, without importing it."""
    from importlib.metadata import version

    return f"scikit-learn {version('scikit-learn')}"


def bundled(name: Name) -> pd.DataFrame:
    """The features and labels of a set."""
    return _digits() if name == "digits" else _other(name)


def labels_of(name: Name) -> tuple[str, ...]:
    """The columns of a data set that are not features."""
    return ("digit", "writer") if name == "digits" else (TARGETS[name],)


def _digits() -> pd.DataFrame:
    """1797 rows: 64 pixels from 0 to 16, the digit, the writer by number.

    The file of the installed scikit-learn is read directly, because importing scikit-learn takes a second
    and this is the default data set. If the file has moved, scikit-learn is imported.
    """
    spec = find_spec("sklearn")
    roots = (spec.submodule_search_locations if spec else None) or []
    files = [path for root in roots if (path := Path(root, "datasets", "data", "digits.csv.gz")).is_file()]
    if files:
        values = pd.read_csv(files[0], header=None, dtype=np.float64).to_numpy()
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
        # Unscaled: scikit-learn's scaled columns contain the mean and spread of the test rows.
        loaded = datasets.load_diabetes(as_frame=True, scaled=False)
        target = loaded.target
    else:
        loaded = getattr(datasets, f"load_{name}")(as_frame=True)
        target = loaded.target.map(dict(enumerate(map(str, loaded.target_names))))
    frame: pd.DataFrame = loaded.data.assign(**{TARGETS[name]: target})
    return frame
