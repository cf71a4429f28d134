"""harness: one data set, many ideas, one word on the command line for each.

Start reading at `harness/run.py`: it calls every step of a run in order. From Python,
`from harness.api import compose, run` does what the command line does; `from harness import compose, run`
is the same, and imports torch and Hydra only when one of the two is used.
"""

import sys
from types import ModuleType
from typing import Any

__version__ = "0.2.0"


class _Package(ModuleType):
    """The package's own attributes that are imported when they are used (PEP 562 cannot do this for `run`).

    `run` is also the name of a module: importing `harness.run` would put that module in place of the
    function. A property keeps the function, whichever was imported first.
    """

    @property
    def compose(self) -> Any:
        """`harness.api.compose`."""
        from harness import api

        return api.compose

    @property
    def run(self) -> Any:
        """`harness.api.run`."""
        from harness import api

        return api.run

    @run.setter
    def run(self, module: ModuleType) -> None:
        """Python sets the module `harness.run` here when it is imported; it stays in `sys.modules`."""


sys.modules[__name__].__class__ = _Package
