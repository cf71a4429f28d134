"""Many runs from one command line.

`report`, `folder` and `Pruned` are for the code of a trial: a program of Hydra's that is swept by
`hydra/sweeper=harness`, see `harness.sweep.program`. Importing them imports neither torch nor Optuna.
"""

import sys
from types import ModuleType
from typing import Any

from harness.sweep import inside_trial
from harness.sweep.inside_trial import Pruned, folder, report

__all__ = ["Pruned", "folder", "report"]


class _Package(ModuleType):
    """Keeps the function `report`: importing the package `harness.sweep.report` would take its place."""

    @property
    def report(self) -> Any:
        """`harness.sweep.inside_trial.report`."""
        return inside_trial.report

    @report.setter
    def report(self, module: ModuleType) -> None:
        """Python sets the package here when it is first imported; it stays in `sys.modules`."""


sys.modules[__name__].__class__ = _Package
