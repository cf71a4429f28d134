"""Modules whose numbers keep the precision in which they were stored."""

from __future__ import annotations

from typing import Any

from torch import nn


class StoredPrecision(nn.Module):
    """A module whose own buffers take the type of stored weights: torch would round float64 to float32."""

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        for name, buffer in list(self.named_buffers(recurse=False)):
            stored = state_dict.get(f"{prefix}{name}")
            if stored is not None:
                setattr(self, name, buffer.to(stored.dtype))
        super()._load_from_state_dict(state_dict, prefix, *others)
