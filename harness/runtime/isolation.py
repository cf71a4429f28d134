"""Restores the state of a process after a run, so that one run does not affect the next."""

from __future__ import annotations

import logging
import os
import random
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch

from harness.runtime.user_exit import exits_as_errors


@contextmanager
def isolated() -> Iterator[None]:
    """Restores, at the end of the block, what a run or the user's code changed in this process.

    That is torch's settings and threads, the random generators of Python, NumPy and torch's CPU, warning
    filters, the handlers of the root logger and of signals, the environment and the working directory.
    Generators of other devices are not restored: each run seeds them, and reading them would wait for the
    device. A call of `sys.exit` is an error.

    Raises:
        CodeExited: the code of a part ended the process.
    """
    settings = [(put, take()) for take, put in _SETTINGS]
    if threading.current_thread() is threading.main_thread():  # only this thread may set them
        settings += [(partial(signal.signal, number), signal.getsignal(number)) for number in _SIGNALS]
    environment, folder = dict(os.environ), _folder()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        with exits_as_errors(), warnings.catch_warnings():
            yield
    finally:
        for put, value in settings:
            put(value)
        _restore_environment(environment)
        if folder is not None and _folder() != folder:
            os.chdir(folder)
        root.handlers[:] = handlers
        root.setLevel(level)


def _deterministic() -> tuple[bool, bool]:
    enabled = torch.are_deterministic_algorithms_enabled()
    return enabled, torch.is_deterministic_algorithms_warn_only_enabled()


def _set_deterministic(value: tuple[bool, bool]) -> None:
    if _deterministic() != value:  # the call imports torch's compiler, which takes a second
        torch.use_deterministic_algorithms(value[0], warn_only=value[1])


def _set_threads(count: int) -> None:
    if torch.get_num_threads() != count:
        torch.set_num_threads(count)


def _cudnn() -> tuple[bool, bool, bool]:
    cudnn = torch.backends.cudnn
    return cudnn.enabled, cudnn.benchmark, cudnn.deterministic


def _set_cudnn(values: tuple[bool, bool, bool]) -> None:
    cudnn = torch.backends.cudnn
    cudnn.enabled, cudnn.benchmark, cudnn.deterministic = values


def _set_anomaly(value: tuple[bool, bool]) -> None:
    torch.autograd.set_detect_anomaly(*value)


_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_SETTINGS: tuple[tuple[Callable[[], Any], Callable[[Any], object]], ...] = (
    (torch.get_num_threads, _set_threads),
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (_deterministic, _set_deterministic),
    (_cudnn, _set_cudnn),
    (lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()), _set_anomaly),
    (random.getstate, random.setstate),
    (np.random.get_state, np.random.set_state),
    (torch.get_rng_state, torch.set_rng_state),
)
"""(read, restore) of each setting."""


_GENERATORS = 3
"""How many of the settings, the last, are states of random generators."""


def run_settings() -> list[Any]:
    """What a run may change in the process, without random generators, signals and environment."""
    root = logging.getLogger()
    others = [list(root.handlers), root.level, warnings.filters, warnings.showwarning]
    return [take() for take, _ in _SETTINGS[:-_GENERATORS]] + others


def put_run_settings(values: list[Any]) -> None:
    """Puts `run_settings` into the process; several runs take turns in it."""
    root = logging.getLogger()
    *settings, handlers, level, filters, show = values
    for (take, put), value in zip(_SETTINGS, settings, strict=False):
        if take() != value:
            put(value)
    if root.handlers != handlers:
        root.handlers[:] = handlers
    if root.level != level:
        root.setLevel(level)
    warnings.filters, warnings.showwarning = filters, show


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return None


def _restore_environment(before: dict[str, str]) -> None:
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    for name, value in before.items():
        if os.environ.get(name) != value:
            os.environ[name] = value
