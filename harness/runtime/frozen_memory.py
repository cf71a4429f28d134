"""Spares the garbage collector what a process has imported."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from harness.runtime.garbage_collection import end_trials


@contextmanager
def frozen_memory() -> Iterator[None]:
    """Within this context, the garbage collector ignores the objects that exist at its beginning.

    A full collection passes every object of the imported libraries, which takes .2 s, as long as a small
    trial. What lives from now on is collected as before. A process that has frozen its memory itself, or is a
    copy of one that has, stays as it is.
    """
    freezes = not gc.get_freeze_count()
    if freezes:
        gc.freeze()
    try:
        yield
    finally:
        end_trials()
        if freezes:
            gc.unfreeze()
