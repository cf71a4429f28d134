"""Checks of options that several models have."""

from __future__ import annotations

from collections.abc import Sequence


def check_widths(widths: Sequence[int]) -> None:
    """Raises ValueError: there is no width, or one is below 1."""
    if not widths or min(widths) < 1:
        raise ValueError(f"widths must be one or more numbers of at least 1, got {widths}")


def check_share(name: str, share: float) -> None:
    """Raises ValueError: the share of units that dropout sets to zero is below 0, or not below 1."""
    if not 0 <= share < 1:
        raise ValueError(f"{name} must be at least 0 and below 1, got {share}")
