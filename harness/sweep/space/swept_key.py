"""Checks whether a key may be swept."""

from __future__ import annotations

from harness.core.errors import UserError
from harness.runtime.redact import mask, secret_name
from harness.runtime.secret_values import Secrets
from harness.sweep.space.swept_value import Value

OWN = ("sweep", "hydra", "outputs", "resume", "tracking")
"""Groups and keys that belong to the sweep as a whole."""


def root(key: str) -> str:
    """The first part of a key or group: `trainer` of `+trainer/optimizer@x` and of `~trainer.epochs`."""
    return key.lstrip("+~").replace("/", ".").replace("@", ".").partition(".")[0]


def check_sweepable(key: str) -> None:
    """Whether trials may differ in this key.

    Raises:
        UserError: it belongs to the sweep as a whole.
    """
    if root(key) in OWN:
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
