"""The command of another program, as its user types it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass

_OF_SWEEPS = ("hydra/sweeper", "hydra/launcher", "hydra.sweep", "hydra.launcher", "hydra.mode")


@dataclass(frozen=True)
class ProgramCommand:
    """The command without its overrides.

    start    such as `python train.py`, with the options of Hydra that were typed
    hydra    the overrides of Hydra's own settings
    """

    start: tuple[str, ...]
    hydra: tuple[str, ...]

    @classmethod
    def typed(cls, task: Sequence[str], hydra: Sequence[str]) -> ProgramCommand:
        """The command of this process.

        Args:
            task: its overrides of the program's settings.
            hydra: its overrides of Hydra's settings.
        """
        own = {*task, *hydra, "-m", "--multirun"}
        options = [word for word in sys.argv[1:] if word not in own]
        typed = [word for word in hydra if word in sys.argv]
        return cls((*_program(), *options), tuple(typed))

    def sweep(self, task: Sequence[str]) -> str:
        """The command of a sweep."""
        return shlex.join([*self.start, "-m", *self.hydra, *task])

    def single(self, task: Sequence[str]) -> str:
        """The command of one run."""
        kept = [word for word in self.hydra if not word.lstrip("+~").startswith(_OF_SWEEPS)]
        return shlex.join([*self.start, *kept, *task])


def _program() -> list[str]:
    main = sys.modules["__main__"]
    if getattr(main, "__spec__", None) is not None:
        return ["python", "-m", str(main.__spec__.name).removesuffix(".__main__")]  # type: ignore[union-attr]
    return ["python", os.path.relpath(sys.argv[0])]
