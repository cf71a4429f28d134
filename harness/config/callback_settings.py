"""The settings of the user's callbacks: `callbacks.NAME`, each a `_target_` node.

Beside the arguments of its class, a node may have `on_error`: warn (the default) or fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.config.named_parts import check_named_parts
from harness.config.typecheck import shown
from harness.core.errors import UserError


def check_callback_settings(callbacks: Any) -> None:
    """Checks that each callback has a `_target_`, and an `on_error` that is warn or fail.

    Raises:
        UserError: the first callback that does not.
    """
    check_named_parts("callbacks", callbacks, "CLASS")
    for name, node in callbacks.items():
        if node.get("on_error", "warn") not in ("warn", "fail"):
            raise UserError(
                f"callbacks.{name}.on_error must be warn or fail, got {shown(node['on_error'])}",
                key=f"callbacks.{name}.on_error",
                value=node["on_error"],
            )


def callback_node(node: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the node without `on_error`, which is not an argument of the class."""
    return {name: value for name, value in node.items() if name != "on_error"}
