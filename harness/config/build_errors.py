"""Errors that occur where a node of the configuration is built, with the key of the node."""

from __future__ import annotations

import re

from hydra.errors import InstantiationException

from harness.core.errors import UserError, refused, sentence

_WHOLE = "configuration"
"""The place of a node without a key, in messages."""


def typed_key(key: str) -> str:
    """The key as Hydra's grammar has it, which names an item of a list by `.1`."""
    return re.sub(r"\[(\d+)\]", r".\1", key)


def _cause(error: BaseException) -> BaseException:
    """Returns what a constructor raised."""
    while isinstance(error, InstantiationException) and error.__cause__ is not None:
        error = error.__cause__
    return error


def refusal_of(error: InstantiationException, key: str) -> Exception:
    """As `refusal`, for an error of Hydra in the node at `key`, or in one below."""
    return refusal(_cause(error), _full_key(error, key))


def refusal(cause: BaseException, place: str) -> Exception:
    """Returns a UserError for a value that a constructor refused, or the error itself if it is a bug.

    Args:
        cause: what the constructor raised, or Hydra itself.
        place: the key of its node; "" for a node without one.
    """
    place = place or _WHOLE
    if isinstance(cause, UserError):
        return cause
    if isinstance(cause, ValueError | TypeError):
        return UserError(refused(place, cause))
    own = ImportError | AttributeError | InstantiationException
    if isinstance(cause, Exception) and not isinstance(cause, own):
        return cause
    return UserError(f"{place}: {sentence(str(cause))}")


def _full_key(error: InstantiationException, key: str) -> str:
    """Returns the key of the nested node that failed, if Hydra's message has it."""
    for line in reversed(str(error).splitlines()):
        if line.startswith("full_key: "):
            inner = line.removeprefix("full_key: ")
            return inner if not key or f"{inner}.".startswith(f"{key}.") else f"{key}.{inner}"
    return key


def not_found(name: str, key: str, error: InstantiationException) -> UserError:
    """The error for a target that Hydra cannot find, or does not allow."""
    first = str(error).splitlines()[0]
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    place = f"{key}._target_"
    if cause is error:  # Hydra refused the name itself
        if "callable" in first:
            rule, remedy = "is no class or function", "name one that makes the part"
        else:
            rule, remedy = "is not allowed, because it can run any code", "name the part's own class"
        return UserError(f"{place}={name} {rule}", remedy, key=place, value=name)
    return UserError(
        f"{place}={name} cannot be found: {sentence(str(cause).splitlines()[0])} "
        "Check the name, and that its package is installed or on PYTHONPATH.",
        key=place,
        value=name,
    )
