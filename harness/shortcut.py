"""Shortcut: a module that can be called like the function of its name.

`from harness import run` gives the function to whoever comes first and the module `harness.run` to whoever
comes after somebody imported that: Python has one name for both. So the module itself answers calls, and it
makes no difference which came first.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class Shortcut(ModuleType):
    """`harness.run(…)` is `harness.notebook.run(…)`."""

    def __call__(self, *values: Any, **keywords: Any) -> Any:
        """Passes everything on to the door for Python, which is imported when it is first used."""
        return getattr(import_module("harness.notebook"), self.__name__.rpartition(".")[2])(
            *values, **keywords
        )


def callable_too(module: str) -> None:
    """Lets the module of that name, which is in memory, be called."""
    sys.modules[module].__class__ = Shortcut
