"""Errors for overrides of a sweep that Hydra's parser cannot read."""

from __future__ import annotations

import re

from harness.core.errors import UserError

FORMS = (
    "values are A,B or choice(A,B), range(START,STOP,STEP), interval(LOW,HIGH), int(interval(LOW,HIGH)), "
    "tag(log,interval(LOW,HIGH)), and of a group glob(PATTERN)"
)


def no_value(typed: str, key: str) -> UserError:
    """The error for a swept key without a value."""
    return UserError(f"{typed} holds no value", f"give one or more: {key}=A,B,C")


def unreadable(typed: str, message: str) -> UserError:
    """Returns the error for an override, from the message of Hydra's parser."""
    key = typed.partition("=")[0].lstrip("+")
    if key == "sweep.space" or key.startswith("sweep.space."):
        typed = typed.removeprefix("++")  # which nobody typed, see `harness.config.compose.as_typed`
        if "when" in typed:
            return UserError(
                f"{typed} cannot be read",
                f"a condition needs quotes within the shell's: {key}={{values:[A,B],when:'OTHER=CHOICE'}}",
            )
    if key == "sweep.constraints":
        return UserError(
            f"{typed} cannot be read",
            "comparisons need quotes within the shell's: "
            "\"sweep.constraints=['model/parameters <= 100000']\"",
        )
    match = re.search(r"while evaluating '.*?': (.*)", message)
    reason = match[1] if match else ""
    if reason.startswith("empty "):
        return no_value(typed, key)
    if "NoneType" in reason:
        return UserError(f"{typed}: null is possible in a plain list only", f"write {key}=A,null")
    if reason.startswith("cannot convert float"):
        return UserError(f"{typed}: the ends of an interval must be finite numbers.")
    why = f" ({reason})" if reason and "mismatch" not in reason else ""
    tags = "log is the only tag; " if "tag(" in typed else ""
    return UserError(
        f"{typed} cannot be read{why}; {tags}{FORMS}", "other texts need quotes within the shell's"
    )
