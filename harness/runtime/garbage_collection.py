"""How often a command looks for garbage: rarely while it imports its packages, and while it prepares a trial.

torch, pandas and scikit-learn make more than half a million objects that stay. By default Python looks at
all of them whenever they have become a quarter more, which is a fifth of the CPU time until the training.

A small trial makes some thousand objects, most of them nodes of its configuration, which refer to each other
and so stay until a collection. By default there are eight collections within it, which mostly look at what
is still in use; one after it finds all of them. Nothing of that changes how often a training collects: its
garbage may hold tensors.
"""

from __future__ import annotations

import gc

_RARELY = (50_000, 20, 100)
_usual: tuple[int, int, int] | None = None
_before_trial: tuple[int, int, int] | None = None

_TRIALS_PER_FULL, _LEAST_TRIALS = 8, 50
"""A full collection looks at what the process remembers of all trials: there is one whenever the trials have
become an eighth more, so that its share of the price of a trial does not grow."""


def collect_rarely() -> None:
    """From here on few collections; for a process of ours, never for a user's notebook."""
    global _usual
    if _usual is None:
        _usual = gc.get_threshold()
        gc.set_threshold(*_RARELY)


def collect_as_usual() -> None:
    """Called where a training begins: ends what `collect_rarely` or the end of a trial began, if anything.

    After `collect_rarely`, no later collection looks at what exists by now.
    """
    global _usual
    end_trials()
    if _usual is not None:
        gc.freeze()
        gc.set_threshold(*_usual)
        _usual = None


def end_trials() -> None:
    """No trial follows in this process: collections are as frequent as before the first one."""
    global _before_trial
    if _before_trial is not None:
        gc.set_threshold(*_before_trial)
        _before_trial = None


class TrialGarbage:
    """Collects what trials leave behind, in the process that runs them."""

    def __init__(self) -> None:
        self._ended = self._full = 0

    def collect(self, alone: bool) -> None:
        """Called after each trial.

        Args:
            alone: whether nothing trains now, so that few collections are needed until the next training.
        """
        global _before_trial
        self._ended += 1
        if self._ended - self._full >= max(_LEAST_TRIALS, self._full // _TRIALS_PER_FULL):
            self._full = self._ended
            gc.collect()
        else:
            gc.collect(1)
        if alone and _before_trial is None:
            _before_trial = gc.get_threshold()
            gc.set_threshold(*_RARELY)
