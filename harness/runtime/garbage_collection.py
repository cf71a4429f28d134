"""How often a command looks for garbage: rarely while it imports its packages.

torch, pandas and scikit-learn make more than half a million objects that stay. By default Python looks at
all of them whenever they have become a quarter more, which is a fifth of the CPU time until the training.
"""

from __future__ import annotations

import gc

_RARELY = (50_000, 20, 100)
_usual: tuple[int, int, int] | None = None


def collect_rarely() -> None:
    """From here on few collections; for a process of ours, never for a user's notebook."""
    global _usual
    if _usual is None:
        _usual = gc.get_threshold()
        gc.set_threshold(*_RARELY)


def collect_as_usual() -> None:
    """Ends what `collect_rarely` began, if anything; no later collection looks at what exists by now."""
    global _usual
    if _usual is not None:
        gc.freeze()
        gc.set_threshold(*_usual)
        _usual = None
