"""Checks whether a key may be swept."""

from __future__ import annotations

from collections.abc import Collection

from harness.core.errors import UserError
from harness.runtime.redact import mask, secret_name
from harness.runtime.secret_values import Secrets
from harness.sweep.space.swept_value import Value

OWN = ("sweep", "hydra", "outputs", "resume", "tracking")
"""Groups and keys of a run of harness that belong to the sweep as a whole."""


def root(key: str) -> str:
    """The first part of a key or group: `trainer` of `+trainer/optimizer@x` and of `~trainer.epochs`."""
    return key.lstrip("+~").replace("/", ".").replace("@", ".").partition(".")[0]


def belongs_to(key: str, own: Collection[str]) -> bool:
    """Whether a key, or the place to which `GROUP@PLACE` puts a choice, is one of `own` or below it."""
    return root(key) in own or root(key.partition("@")[2]) in own


def check_sweepable(key: str, own: Collection[str] = OWN) -> None:
    """Whether trials may differ in this key.

    Args:
        own: the first parts of keys that belong to the sweep as a whole.

    Raises:
        UserError: it belongs to the sweep as a whole.
    """
    if belongs_to(key, own):
        raise UserError(
            f"{key} is the same for all trials and cannot be swept",
            f"give it one value: {key}=VALUE",
            key=key,
        )


def check_no_secret(key: str, value: Value) -> None:
    """Whether a value of this key may be written down.

    Raises:
        UserError: it is, or holds, a password.
    """
    if not isinstance(value, str) or "${" in value:
        return
    within = Secrets(None, [f"{key}={value}"]).text(value) != value  # as in {authorization: …}
    if within or mask(value, ()) != value or secret_name(key.rsplit(".", 1)[-1]):
        raise UserError(
            f"the values of {key} hold a password, and a sweep writes down its values",
            "put each into an environment variable: '${oc.env:NAME}'",
        )
