"""Mappings from names to `_target_` nodes: `callbacks` and `evaluate.metrics`."""

from __future__ import annotations

from typing import Any

from harness.config.typecheck import shown
from harness.core.errors import UserError


def check_named_parts(key: str, parts: Any, target: str) -> None:
    """Checks that a setting is a mapping from names to nodes with a `_target_`.

    Args:
        key: the setting.
        parts: its plain value.
        target: what a `_target_` of it names, such as CLASS, for the remedy.

    Raises:
        UserError: the first thing that does not fit.
    """
    if not isinstance(parts, dict):
        raise UserError(
            f"{key} must be a mapping from names to parts with a _target_, got {shown(parts)}",
            f"write +{key}.NAME._target_={target}",
            key=key,
            value=parts,
        )
    if "_target_" in parts:
        group = key.replace(".", "/")
        raise UserError(
            f"{key} must be a mapping from names to parts, got a part without a name: {parts['_target_']}",
            f"begin its yaml file with `# @package {key}.NAME`, or write +{group}@{key}.NAME=CHOICE",
            key=key,
            value=parts,
        )
    for name, node in parts.items():
        if not isinstance(node, dict) or "_target_" not in node:
            raise UserError(
                f"{key}.{name} must be a part with a _target_, got {shown(node)}",
                f"write +{key}.{name}._target_={target}",
                key=f"{key}.{name}",
                value=node,
            )
